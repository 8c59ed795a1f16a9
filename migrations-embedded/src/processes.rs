//! The PostgreSQL processes that run on a cluster.
//!
//! Each of them, server and backend alike, has the data directory as its working directory. The file `postmaster.pid`
//! is no proof: after a crash, and in a restarted container, its process id belongs to another program. A killed server
//! leaves backends that still finish their statements, and no server may start beside them.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, test_kill_process};

/// The pause between two looks at the processes.
const INTERVAL: Duration = Duration::from_millis(20);

/// What the programs' names contain; some systems wrap them (`.postgres-wrapped`).
const NAMES: [&str; 2] = ["postgres", "postmaster"];

/// Whether a process with this id exists.
pub(crate) fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    // Another user's process counts too: asking for it fails with EPERM, not ESRCH.
    pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH)))
}

/// The processes that run on the cluster, sorted by id.
pub(crate) fn at_work_in(data: &Path) -> Vec<u32> {
    let mut found = if Path::new("/proc/self/cwd").exists() { by_folder(data) } else { by_arguments(data) };
    found.sort_unstable();
    found
}

/// Whether this process, which the cluster's `postmaster.pid` names, is the cluster's server. A server whose working
/// directory is hidden from this user counts.
pub(crate) fn is_server_of(pid: u32, data: &Path) -> bool {
    at_work_in(data).contains(&pid) || is_hidden_server(&Path::new("/proc").join(pid.to_string()))
}

fn is_hidden_server(process: &Path) -> bool {
    let is_hidden = |error: io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    fs::metadata(process.join("cwd")).is_err_and(is_hidden) && has_servers_name(process)
}

/// Waits until no process runs on the cluster; gives up after `patience` and returns those that still run.
pub(crate) fn wait_for_none(data: &Path, patience: Duration) -> Result<(), Vec<u32>> {
    let started = Instant::now();
    let mut is_told = false;
    loop {
        let left = at_work_in(data);
        if left.is_empty() {
            return Ok(());
        }
        if started.elapsed() >= patience {
            return Err(left);
        }
        if !is_told {
            log::info!("waiting for processes {left:?}, which still run on {}", data.display());
            is_told = true;
        }
        thread::sleep(INTERVAL);
    }
}

fn by_folder(data: &Path) -> Vec<u32> {
    let Ok(data) = fs::metadata(data) else { return Vec::new() };
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let cwd = fs::metadata(entry.path().join("cwd")).ok()?;
            let is_here = (cwd.dev(), cwd.ino()) == (data.dev(), data.ino());
            let is_at_work = is_here && has_servers_name(&entry.path());
            is_at_work.then_some(pid)
        })
        .collect()
}

fn has_servers_name(process: &Path) -> bool {
    fs::read_to_string(process.join("comm")).is_ok_and(|name| NAMES.iter().any(|known| name.contains(known)))
}

/// For systems that show no working directories: finds the server by its command line. Its backends do not name the
/// folder.
fn by_arguments(data: &Path) -> Vec<u32> {
    let listed = Command::new("/bin/ps").args(["-A", "-o", "pid=", "-o", "args="]).stderr(Stdio::null()).output();
    let Ok(listed) = listed else { return Vec::new() };
    let data = data.to_string_lossy();
    String::from_utf8_lossy(&listed.stdout)
        .lines()
        .filter_map(|line| {
            let (pid, arguments) = line.trim_start().split_once(' ')?;
            let mut words = arguments.trim_start().splitn(2, " -D ");
            let is_server = NAMES.iter().any(|name| words.next().is_some_and(|program| program.contains(name)));
            let is_here = words.next().is_some_and(|rest| rest == data || rest.starts_with(&format!("{data} ")));
            (is_server && is_here).then(|| pid.parse().ok())?
        })
        .collect()
}
