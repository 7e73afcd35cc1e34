//! What Linux tells about a process (proc(5)).

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::Context;

/// The CPU time that all threads of a process have used, to the nanosecond.
///
/// # Errors
/// If the process is gone, or the kernel keeps no scheduler statistics.
pub fn cpu(pid: u32) -> anyhow::Result<Duration> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let statistics = fs::read_to_string(task?.path().join("schedstat"))?;
        let on_cpu = statistics.split(' ').next().context("an empty schedstat")?;
        nanoseconds += on_cpu.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// The most memory that a process has had resident, in the MB in which Lambda grants and reports it (2²⁰ bytes).
///
/// # Errors
/// If the process is gone.
pub fn peak_megabytes(pid: u32) -> anyhow::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("no VmHWM in the status")?;
    let kibibytes: f64 = line.split_whitespace().nth(1).context("VmHWM has no value")?.parse()?;
    Ok(kibibytes / 1_024.0)
}

/// The environment that a process was started with.
///
/// # Errors
/// If the process is gone.
pub fn environment(pid: u32) -> anyhow::Result<BTreeMap<String, String>> {
    let text = fs::read(format!("/proc/{pid}/environ"))?;
    let pairs =
        text.split(|byte| *byte == 0).filter_map(|pair| std::str::from_utf8(pair).ok()?.split_once('='));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}
