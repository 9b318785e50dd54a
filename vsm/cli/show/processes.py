"""show processes cpu and memory, and show system resources: how busy the supervisor's machine is.

The figures are those of Linux (vsm/machine.py): the one process listed is the supervisor's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from dvswitch.errors import Unavailable
from vsm.cli.command import Call, View
from vsm.cli.report import Report, Table, lines
from vsm.machine import Load, Share


@dataclass(frozen=True, slots=True)
class CpuTop:
    """How busy the CPUs are, in percent."""

    five_seconds: int = field(metadata={"key": "fivesec_percent"})
    interrupts: int = field(metadata={"key": "fivesec_intr_percent"})
    one_minute: int = field(metadata={"key": "onemin_percent"})
    five_minutes: int = field(metadata={"key": "fivemin_percent"})
    user: str = field(metadata={"key": "user_percent"})
    kernel: str = field(metadata={"key": "kernel_percent"})
    idle: str = field(metadata={"key": "idle_percent"})


@dataclass(frozen=True, slots=True)
class CpuRow:
    """What a process took of them."""

    pid: int
    runtime: int
    """Milliseconds."""
    invoked: int
    usecs: int
    """Runtime by invocation."""
    onesec: str
    """Percent of a CPU in the last seconds."""
    process: str


def show_cpu(view: View, _call: Call) -> Report:
    """How busy the machine is, and the supervisor's part in it."""
    load, process = view.machine.load(view.now.timestamp()), view.machine.process()
    short = load.five_seconds
    top = CpuTop(
        five_seconds=round(short.busy),
        interrupts=round(short.interrupts),
        one_minute=round(load.one_minute.busy),
        five_minutes=round(load.five_minutes.busy),
        user=f"{short.user:.2f}",
        kernel=f"{short.kernel:.2f}",
        idle=f"{short.idle:.2f}",
    )
    each = process.runtime_ms * 1000 // max(1, process.switches)
    row = CpuRow(process.pid, process.runtime_ms, process.switches, each, f"{load.own:.2f}", process.name)
    text = lines(
        f"CPU utilization for five seconds: {top.five_seconds}%/{top.interrupts}%; "
        f"one minute: {top.one_minute}%; five minutes: {top.five_minutes}%",
        "",
        "PID    Runtime(ms)  Invoked   uSecs  1Sec    Process",
        "-----  -----------  --------  -----  ------  -----------",
        f"{row.pid:>5}  {row.runtime:>11}  {row.invoked:>8}  {row.usecs:>5}  {row.onesec + '%':>6}  {row.process}",
        "",
        f"CPU util  :  {top.user:>6}% user,  {top.kernel:>6}% kernel,  {top.idle:>6}% idle",
    )
    return Report(text, (Table("process_cpu", [row]),), top)


@dataclass(frozen=True, slots=True)
class MemoryRow:
    """What a process has of the memory, in bytes."""

    pid: int
    allocated: int = field(metadata={"key": "mem_alloc"})
    limit: int = field(metadata={"key": "mem_limit"})
    used: int = field(metadata={"key": "mem_used"})
    stack: str = field(metadata={"key": "stack_base_ptr"})
    process: str


def show_memory(view: View, _call: Call) -> Report:
    """The memory of the supervisor."""
    process = view.machine.process()
    stack = f"{process.stack:x}/{process.pointer:x}"
    row = MemoryRow(process.pid, process.allocated, process.limit, process.used, stack, process.name)
    text = lines(
        "PID    MemAlloc    MemLimit    MemUsed     StackBase/Ptr      Process",
        "-----  ----------  ----------  ----------  -----------------  ----------------",
        f"{row.pid:>5}  {row.allocated:>10}  {row.limit:>10}  {row.used:>10}  {row.stack:<17}  {row.process}",
    )
    return Report(text, (Table("process_memory", [row]),))


@dataclass(frozen=True, slots=True)
class CoreRow:
    """A CPU over one minute, in percent."""

    cpu: int = field(metadata={"key": "cpuid"})
    user: str
    kernel: str
    idle: str


@dataclass(frozen=True, slots=True)
class ResourcesRow:
    """How busy the supervisor's machine is."""

    load1: str = field(metadata={"key": "load_avg_1min"})
    load5: str = field(metadata={"key": "load_avg_5min"})
    load15: str = field(metadata={"key": "load_avg_15min"})
    processes: str = field(metadata={"key": "processes_total"})
    running: str = field(metadata={"key": "processes_running"})
    user: str = field(metadata={"key": "cpu_state_user"})
    kernel: str = field(metadata={"key": "cpu_state_kernel"})
    idle: str = field(metadata={"key": "cpu_state_idle"})
    cores: Table
    total: int = field(metadata={"key": "memory_usage_total"})
    """KiB, likewise the next two."""
    used: int = field(metadata={"key": "memory_usage_used"})
    free: int = field(metadata={"key": "memory_usage_free"})


def show_resources(view: View, _call: Call) -> Report:
    """Load, CPUs and memory of the machine that the supervisor runs on."""
    try:
        memory = view.machine.memory()
        row = _resources(view.machine.averages(), view.machine.load(view.now.timestamp()), memory)
    except (LookupError, ValueError) as problem:
        raise Unavailable("system resources", f"this machine does not tell: {problem}") from problem
    text = lines(
        f"Load average:   1 minute: {row.load1}   5 minutes: {row.load5}   15 minutes: {row.load15}",
        f"Processes   :   {row.processes} total, {row.running} running",
        f"CPU states  :   {row.user}% user,   {row.kernel}% kernel,   {row.idle}% idle",
        *(
            f"        CPU{core.cpu} states  :   {core.user}% user,   {core.kernel}% kernel,   {core.idle}% idle"
            for core in row.cores.rows
        ),
        f"Memory usage:   {row.total}K total,   {row.used}K used,   {row.free}K free",
    )
    return Report(text, top=row)


def _resources(averages: list[str], load: Load, memory: dict[str, int]) -> ResourcesRow:
    one, five, fifteen, tasks, *_ = averages
    running, _, processes = tasks.partition("/")
    total, free = memory["MemTotal"], memory["MemAvailable"]
    cores = Table("cpu_usage", [CoreRow(number, *_states(share)) for number, share in enumerate(load.cpus)])
    states = _states(load.one_minute)
    return ResourcesRow(one, five, fifteen, processes, running, *states, cores, total, total - free, free)


def _states(share: Share) -> tuple[str, str, str]:
    return f"{share.user:.2f}", f"{share.kernel:.2f}", f"{share.idle:.2f}"
