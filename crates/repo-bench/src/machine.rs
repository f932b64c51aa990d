//! Where a run takes place. Linux says most of it in /proc; elsewhere the
//! fields are empty.

use std::path::Path;

use serde::Serialize;

/// The machine, the disk, and how busy it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// The processor's own name.
    pub processor: String,
    /// The release of the kernel.
    pub kernel: String,
    /// The kind of file system in which the stores are: `ext4`.
    pub file_system: String,
    /// Processes that wanted a core on average in the last minute; `None`
    /// where the system does not say.
    pub load: Option<f64>,
}

impl Machine {
    /// The machine as it is now, with the file system of a folder.
    #[must_use]
    pub fn now(folder: &Path) -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let load = read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok());
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processor: processor(&read("/proc/cpuinfo")),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            file_system: file_system(&read("/proc/self/mounts"), folder),
            load,
        }
    }

    /// Whether others use the machine as well.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.load.is_some_and(|load| load > 0.5)
    }

    /// One line for people.
    pub(crate) fn in_words(&self, load_after: Option<f64>) -> String {
        let load = |load: Option<f64>| load.map_or("?".to_owned(), |load| format!("{load:.1}"));
        let memory_only = if self.file_system == "tmpfs" { " (in memory: no disk!)" } else { "" };
        let busy = if self.is_busy() { "; a busy machine: others ran beside it" } else { "" };
        format!(
            "{} cores ({}), kernel {}, {}{memory_only}; load {} before, {} after{busy}",
            self.cores,
            self.processor,
            self.kernel,
            self.file_system,
            load(self.load),
            load(load_after),
        )
    }
}

fn processor(cpuinfo: &str) -> String {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split_once(':')).map_or("", |(_, name)| name).trim().to_owned()
}

/// The kind of the file system whose mount point is the longest beginning of
/// the folder's path.
fn file_system(mounts: &str, folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let parts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((words.next()?, words.next()?))
    });
    parts
        .filter(|(point, _)| folder.starts_with(point))
        .max_by_key(|(point, _)| point.len())
        .map_or_else(String::new, |(_, kind)| kind.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_counts() {
        let mounts = "/dev/vda / ext4 rw 0 0\ntmpfs /nowhere/tmp tmpfs rw 0 0\n";
        assert_eq!(file_system(mounts, Path::new("/nowhere/tmp/x")), "tmpfs");
        assert_eq!(file_system(mounts, Path::new("/nowhere/tmpfiles")), "ext4");
    }
}
