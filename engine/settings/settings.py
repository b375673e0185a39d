"""Every setting of a run, each declared once. The defaults are the MiniMind guide's."""

from typing import Annotated, Literal, get_args

from pydantic import BeforeValidator, Field

from engine.settings.declaration import setting
from engine.settings.network_settings import Architecture, NetworkSettings
from engine.settings.values import Auto, AutoFlag, Count, Deadline, Duration, Flag

AUTO_COUNTS_IN = 32
"""With batch_size = auto an update has this many rows x accumulation_steps, whatever the memory holds at a time."""

DTYPE_SPELLINGS = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}
Dtype = Annotated[
    Literal["auto", "bf16", "fp16", "fp32"],
    BeforeValidator(lambda value: DTYPE_SPELLINGS.get(value, value) if isinstance(value, str) else value),
]


class Settings(NetworkSettings):
    """What a run is asked to be. Immutable; `auto` values are decided when the run starts and recorded in its manifest.

    Raises pydantic's ValidationError; `engine.settings.resolve` turns that into words.
    """

    # data
    data_path: str = setting(
        "datasets/pretrain_data.jsonl", "data", "fork",
        "Training text: JSONL, one {\"text\": ...} object a line.",
        "训练文本：JSONL，每行一个 {\"text\": ...} 对象。",
        basic=True, min_length=1,
    )  # fmt: skip
    tokenizer: str = setting(
        "auto", "data", "new",
        "A tokenizer.json, or a folder holding one; auto is the shipped one of 6,400 entries.",
        "tokenizer.json 文件或其所在目录；auto 为自带的 6400 词表。",
        min_length=1,
    )  # fmt: skip
    text_field: str = setting(
        "text", "data", "fork", "Name of the JSON field that holds the text.", "存放文本的 JSON 字段名。", min_length=1
    )
    max_seq_len: int = setting(
        512, "data", "fork", "Positions in a row.", "每行的位置数。", unit="tokens", basic=True, ge=8, le=32768
    )
    pack: Flag = setting(
        True, "data", "fork",
        "Fill each row with several whole documents that do not see each other; off gives MiniMind's padded rows.",
        "每行装入多篇互不可见的完整文档；关闭则为 MiniMind 的补齐行。",
        basic=True,
    )  # fmt: skip
    special_tokens: Literal["both", "none"] = setting(
        "both", "data", "fork",
        "both puts bos before and eos after each document; none adds neither (MiniMind's December recipe).",
        "both：每篇文档前加 bos、后加 eos；none：都不加（MiniMind 十二月的做法）。",
    )  # fmt: skip
    overlong: Literal["split", "truncate"] = setting(
        "split", "data", "fork",
        "A document longer than a row is split into several pieces, or truncated (and the loss counted).",
        "超过一行的文档：split 切成多段，truncate 截断（并计数）。",
    )  # fmt: skip
    bad_lines: Literal["skip", "stop"] = setting(
        "skip", "data", "fork",
        "A line that cannot be used: skip and count it, or stop at the first.",
        "遇到不可用的行：skip 跳过并计数，stop 立即停止。",
    )  # fmt: skip
    bad_lines_limit: float = setting(
        0.01, "data", "fork",
        "Share of bad lines above which even skipping stops.",
        "坏行比例超过该值时，即使 skip 也会停止。",
        ge=0, le=1,
    )  # fmt: skip
    num_workers: Auto | Count = setting(
        "auto", "data", "free",
        "Threads that tokenise the data when its cache is built; auto is every core.",
        "建立分词缓存时的线程数；auto 为全部核心。",
        unit="threads",
    )  # fmt: skip
    validation: Flag = setting(
        True, "data", "fork",
        "Hold out one document in a hundred (64 to 2,000, chosen by hash) for validation.",
        "按哈希留出百分之一的文档（64 到 2000 篇）作验证集。",
    )  # fmt: skip
    validation_tokens: int = setting(
        131072, "data", "fork",
        "Most tokens that one validation reads.", "一次验证最多读取的词元数。",
        unit="tokens", ge=256,
    )  # fmt: skip

    # training
    epochs: int = setting(
        1, "training", "fork", "Passes over the data.", "遍历数据的轮数。", basic=True, ge=1, le=100000
    )
    batch_size: Auto | Annotated[int, Field(ge=1, le=65536)] = setting(
        32, "training", "inexact",
        "Rows that one device computes at a time (a micro-batch); auto: the most that its memory holds.",
        "单个设备一次计算的行数（一个微批）；auto：内存能容纳的最大值。",
        unit="rows", basic=True,
    )  # fmt: skip
    accumulation_steps: int = setting(
        8, "training", "inexact",
        "Micro-batches summed in one update; with batch_size = auto those of 32 rows: 8 is 256 rows an update.",
        "每次参数更新累积的微批数；batch_size = auto 时按每批 32 行计：8 即每次更新 256 行。",
        basic=True, ge=1, le=65536,
    )  # fmt: skip
    learning_rate: float = setting(
        5e-4, "training", "fork", "Peak learning rate.", "学习率峰值。", basic=True, gt=0, le=10
    )
    optimizer: Literal["adamw", "muon"] = setting(
        "adamw", "training", "fork",
        "AdamW for everything, or Muon for the matrices inside the blocks and AdamW for the rest.",
        "adamw 更新全部参数；muon 更新各层矩阵，其余用 AdamW。",
        basic=True,
    )  # fmt: skip
    weight_decay: float = setting(0.01, "training", "fork", "Decoupled weight decay.", "解耦权重衰减。", ge=0, le=10)
    adam_beta1: float = setting(0.9, "training", "fork", "AdamW's beta 1.", "AdamW 的 beta1。", ge=0, lt=1)
    adam_beta2: float = setting(0.999, "training", "fork", "AdamW's beta 2.", "AdamW 的 beta2。", ge=0, lt=1)
    adam_eps: float = setting(1e-8, "training", "fork", "AdamW's epsilon.", "AdamW 的 epsilon。", gt=0, le=1)
    muon_momentum: float = setting(0.95, "training", "fork", "Muon's momentum.", "Muon 的动量。", ge=0, lt=1)
    grad_clip: float = setting(
        1.0, "training", "fork",
        "Largest norm of the whole gradient; larger ones are scaled down. 0 never clips.",
        "全部梯度的最大范数，超过则按比例缩小；0 为不裁剪。",
        ge=0,
    )  # fmt: skip
    seed: int = setting(
        42, "training", "fork",
        "Seed of the first weights and of the data order.", "初始权重与数据顺序的随机种子。",
        ge=0, le=2**31 - 1,
    )  # fmt: skip
    from_weight: str = setting(
        "none", "training", "fork",
        "Start from these weights instead of fresh ones: a .pth or .safetensors file, a run, or a weights name.",
        "从已有权重开始：.pth 或 .safetensors 文件、某次运行，或权重名。",
        min_length=1,
    )  # fmt: skip
    nonfinite: Literal["skip", "rollback", "stop"] = setting(
        "skip", "training", "free",
        "An update whose loss or gradient is not finite: skip it, go back to the last checkpoint and past it, or stop.",
        "损失或梯度非有限的更新：skip 跳过，rollback 回到上一检查点并越过它，stop 停止。",
    )  # fmt: skip
    nonfinite_limit: int = setting(
        10, "training", "free",
        "Updates in a row that may be skipped, not finite or spiking, before the run stops as diverged.",
        "允许连续跳过（非有限或突增）的更新次数，达到则判为发散并停止。",
        ge=1,
    )  # fmt: skip
    spikes: Literal["off", "warn", "skip", "rollback", "stop"] = setting(
        "warn", "training", "free",
        "An update whose loss or gradient stands out from those before: warn, or act as for one that is not finite.",
        "损失或梯度明显高于此前水平的更新：warn 仅警告，其余与非有限时的处理相同，off 不检测。",
    )  # fmt: skip
    spike_threshold: float = setting(
        8.0, "training", "free",
        "Robust deviations above the median of recent updates from which one stands out.",
        "高于近期中位数多少个稳健标准差即视为突增。",
        ge=3, le=1000,
    )  # fmt: skip
    rollback_lr_scale: float = setting(
        0.5, "training", "free",
        "Factor on the learning rate from the checkpoint on that a rollback goes back to.",
        "回滚后从该检查点起学习率所乘的系数。",
        gt=0, le=1,
    )  # fmt: skip
    rollback_limit: int = setting(
        5, "training", "free",
        "Rollbacks in the whole run before it stops as diverged.", "整个运行允许的回滚次数，用尽则判为发散并停止。",
        ge=1, le=1000,
    )  # fmt: skip

    # schedule
    schedule: Literal["cosine", "linear", "wsd", "constant"] = setting(
        "cosine", "schedule", "fork",
        "Course of the learning rate: cosine to min_lr_ratio, linear to zero, warmup-stable-decay, or constant.",
        "学习率曲线：cosine 降至 min_lr_ratio，linear 降至零，wsd 升温-平稳-衰减，constant 不变。",
        basic=True,
    )  # fmt: skip
    warmup_steps: int = setting(
        0, "schedule", "fork",
        "Updates over which the learning rate rises to its peak.", "学习率升至峰值所用的更新数。",
        unit="updates", ge=0,
    )  # fmt: skip
    min_lr_ratio: float = setting(
        0.1, "schedule", "fork",
        "Where cosine ends, as a share of the peak.", "cosine 的终点占峰值的比例。",
        ge=0, le=1,
    )  # fmt: skip
    decay_ratio: float = setting(
        0.2, "schedule", "fork",
        "Share of the updates in which warmup-stable-decay decays to zero.", "wsd 用于衰减至零的更新所占比例。",
        gt=0, le=1,
    )  # fmt: skip
    max_steps: int = setting(
        0, "schedule", "fork",
        "End after this many updates, if the epochs do not end before. 0: no bound.",
        "至多更新这么多步（若轮数未先结束）；0 为不限。",
        unit="updates", basic=True, ge=0,
    )  # fmt: skip
    time_budget: Duration = setting(
        0.0, "schedule", "fork",
        "End within this training time (90s, 30m, 2h, 1h30m); the schedule ends there too. 0: no bound.",
        "在该训练时长内结束（90s、30m、2h、1h30m），学习率曲线同时到达终点；0 为不限。",
        unit="seconds", basic=True, ge=0,
    )  # fmt: skip
    deadline: Deadline = setting(
        "none", "schedule", "fork",
        "End by this moment (08:00 is the next one, or 2026-12-01T08:00); the schedule ends there too.",
        "在该时刻前结束（08:00 指下一个八点，或 2026-12-01T08:00），学习率曲线同时到达终点。",
    )  # fmt: skip

    # device
    device: str = setting(
        "auto", "device", "inexact",
        "auto, cpu, cuda, cuda:N or mps.", "auto、cpu、cuda、cuda:N 或 mps。",
        basic=True, pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
    )  # fmt: skip
    dtype: Dtype = setting(
        "auto", "device", "inexact",
        "Precision of the matrix products; weights stay fp32. auto takes the fastest that the device really has.",
        "矩阵乘的精度，权重始终为 fp32；auto 取设备真正支持的最快者。",
        basic=True,
    )  # fmt: skip
    compile: AutoFlag = setting(
        "auto", "device", "inexact",
        "Compile the network with torch.compile; auto decides by device, and falls back with a reason.",
        "用 torch.compile 编译网络；auto 由设备决定，不可用时说明原因并回退。",
    )  # fmt: skip
    recompute: Flag = setting(
        False, "device", "inexact",
        "Recompute activations in the backward pass: less memory, more time.",
        "反向时重算激活：省内存、费时间。",
    )  # fmt: skip
    deterministic: AutoFlag = setting(
        "auto", "device", "inexact",
        "Only kernels that repeat themselves bit for bit; auto: on for cpu.",
        "只用逐位可复现的算子；auto：cpu 上开启。",
    )  # fmt: skip
    num_threads: Auto | Count = setting(
        "auto", "device", "inexact",
        "Threads of the cpu's matrix products; auto is every core this process may use.",
        "cpu 矩阵乘的线程数；auto 为本进程可用的全部核心。",
        unit="threads",
    )  # fmt: skip

    nproc: Auto | Annotated[int, Field(ge=1, le=1024)] = setting(
        1, "device", "inexact",
        "Processes on each machine, each with a device of its own; auto is one a GPU, and one on a cpu.",
        "每台机器上的进程数，各占一个设备；auto 为每块 GPU 一个，cpu 上为一个。",
        unit="processes", basic=True,
    )  # fmt: skip
    nnodes: int = setting(
        1, "device", "inexact",
        "Machines that train together, on a runs folder all of them see.", "共同训练的机器数，须共享运行文件夹。",
        unit="machines", ge=1, le=1024,
    )  # fmt: skip
    rank_timeout: float = setting(
        600.0, "device", "free",
        "How long a process waits for another before it takes it for lost and the run fails.",
        "一个进程等待其他进程的最长时间，超过则视为失联，运行失败。",
        unit="seconds", ge=5, le=86400,
    )  # fmt: skip

    # checkpoints
    save_interval: int = setting(
        100, "checkpoints", "free",
        "Updates between checkpoints. 0: only by time, on stop and at the end.",
        "两个检查点之间的更新数；0 为仅按时间、停止时与结束时保存。",
        unit="updates", basic=True, ge=0,
    )  # fmt: skip
    save_minutes: float = setting(
        10.0, "checkpoints", "free",
        "Most minutes between checkpoints, however slow the updates. 0: no bound.",
        "两个检查点之间最多间隔的分钟数；0 为不限。",
        unit="minutes", ge=0,
    )  # fmt: skip
    keep_checkpoints: int = setting(
        3, "checkpoints", "free",
        "Newest checkpoints to keep, beside the best by validation loss.",
        "保留的最新检查点数，另保留验证损失最低者。",
        ge=2,
    )  # fmt: skip
    save_dir: str = setting(
        "none", "checkpoints", "free",
        "Also publish the newest weights here, under MiniMind's names (out/pretrain_512.pth and .safetensors).",
        "同时以 MiniMind 的文件名把最新权重发布到此处（out/pretrain_512.pth 与 .safetensors）。",
        basic=True, min_length=1,
    )  # fmt: skip
    save_weight: str = setting(
        "pretrain", "checkpoints", "free",
        "First part of the weights' file names.", "权重文件名的前缀。",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
    )  # fmt: skip

    # watch
    log_interval: int = setting(
        1, "watch", "free", "Updates between lines of the log.", "两条日志之间的更新数。", unit="updates", ge=1
    )
    eval_interval: int = setting(
        100, "watch", "free",
        "Updates between validations. 0: only at the end.", "两次验证之间的更新数；0 为仅在结束时。",
        unit="updates", ge=0,
    )  # fmt: skip
    sample_interval: int = setting(
        500, "watch", "free",
        "Updates between text samples. 0: only at the end.", "两次文本采样之间的更新数；0 为仅在结束时。",
        unit="updates", ge=0,
    )  # fmt: skip
    sample_prompts: tuple[str, ...] = setting(
        ("Once upon a time", "从前"), "watch", "free",
        "Beginnings that the model continues in each sample; none given, no samples.",
        "每次采样时让模型续写的开头；为空则不采样。",
    )  # fmt: skip
    sample_tokens: int = setting(
        64, "watch", "free", "Most tokens of one sample.", "单个样本的最大词元数。", unit="tokens", ge=1, le=4096
    )
    sample_temperature: float = setting(
        0.8, "watch", "free",
        "Temperature of samples; 0 always takes the likeliest token.", "采样温度；0 总取最可能者。",
        ge=0, le=10,
    )  # fmt: skip
    sample_top_p: float = setting(
        0.9, "watch", "free",
        "Samples draw from the likeliest tokens that hold this probability.", "核采样的累计概率。",
        gt=0, le=1,
    )  # fmt: skip
    sample_top_k: int = setting(
        0, "watch", "free",
        "Samples draw from this many likeliest tokens. 0: all.", "只从概率最高的 k 个词元采样；0 为全部。",
        ge=0,
    )  # fmt: skip

    # trackers
    use_wandb: Flag = setting(
        False, "trackers", "free", "Report to Weights & Biases.", "上报到 Weights & Biases。", basic=True
    )
    wandb_project: str = setting(
        "MiniMind-Pretrain", "trackers", "free",
        "Project name at Weights & Biases or SwanLab.", "Weights & Biases 或 SwanLab 的项目名。",
        min_length=1,
    )  # fmt: skip
    use_swanlab: Flag = setting(False, "trackers", "free", "Report to SwanLab.", "上报到 SwanLab。")
    use_tensorboard: Flag = setting(
        False, "trackers", "free",
        "Write TensorBoard files into the run's folder.", "在运行目录写入 TensorBoard 文件。",
    )  # fmt: skip

    @property
    def processes(self) -> int:
        """Processes on all machines; one while nproc is still to be decided."""
        return self.nnodes * (1 if self.nproc == "auto" else self.nproc)

    @property
    def micro_batch(self) -> int:
        """batch_size as a number; where it is auto, the rows that accumulation_steps counts in."""
        return AUTO_COUNTS_IN if self.batch_size == "auto" else self.batch_size

    @property
    def rows_per_process(self) -> int:
        """Rows in one update on one process: batch_size x accumulation_steps."""
        return self.micro_batch * self.accumulation_steps

    def in_micro_batches(self, rows: int) -> "Settings":
        """The same update in micro-batches of `rows`, a divisor of `rows_per_process`."""
        if self.rows_per_process % rows:
            raise ValueError(f"{self.rows_per_process} rows do not divide into {rows}")
        steps = self.rows_per_process // rows
        return self.model_copy(update={"batch_size": rows, "accumulation_steps": steps})

    @property
    def rows_per_update(self) -> int:
        """Rows in one update on all processes: batch_size x accumulation_steps x processes."""
        return self.rows_per_process * self.processes


SETTING_NAMES: tuple[str, ...] = tuple(Settings.model_fields)
ARCHITECTURES: tuple[str, ...] = get_args(Architecture)
