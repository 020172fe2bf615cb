//! How much memory this process may use.
use std::path::{Path, PathBuf};

/// The least of what the machine has and what the control groups allow; `None` where nobody says.
pub(crate) fn usable() -> Option<u64> {
    least(|path| std::fs::read_to_string(path).ok())
}

fn least(read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let host = read(Path::new("/proc/meminfo")).and_then(|text| total(&text));
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    // Where a container hides the group's own path, its limit stands at the mount's root.
    let files = groups.lines().filter_map(limit_files).flatten();
    let limits = files.filter_map(|file| read(&file)?.trim().parse().ok());
    host.into_iter().chain(limits).min()
}

/// `MemTotal` of `/proc/meminfo`, in bytes.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The files that may limit memory for one line of `/proc/self/cgroup`: of the group and of all above it.
fn limit_files(line: &str) -> Option<Vec<PathBuf>> {
    let (_, rest) = line.split_once(':')?;
    let (controllers, group) = rest.split_once(':')?;
    let (mount, file) = if controllers.is_empty() {
        ("/sys/fs/cgroup", "memory.max")
    } else if controllers.split(',').any(|controller| controller == "memory") {
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")
    } else {
        return None;
    };
    let group = Path::new(group.trim_start_matches('/'));
    Some(group.ancestors().map(|above| Path::new(mount).join(above).join(file)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn least_of(files: &[(&str, &str)]) -> Option<u64> {
        least(|path| files.iter().find(|(name, _)| Path::new(name) == path).map(|(_, text)| (*text).into()))
    }

    const MEMINFO: (&str, &str) = ("/proc/meminfo", "MemTotal:       16000000 kB\nMemFree: 1 kB\n");
    const HOST: u64 = 16_000_000 * 1024;

    #[test]
    fn without_a_limit_it_is_the_machines() {
        assert_eq!(least_of(&[MEMINFO]), Some(HOST));
        let v2 = ("/proc/self/cgroup", "0::/user.slice\n");
        assert_eq!(least_of(&[MEMINFO, v2, ("/sys/fs/cgroup/user.slice/memory.max", "max\n")]), Some(HOST));
        assert_eq!(least_of(&[]), None);
    }

    #[test]
    fn the_least_limit_on_the_way_up_counts() {
        let files = [
            MEMINFO,
            ("/proc/self/cgroup", "0::/a/b\n"),
            ("/sys/fs/cgroup/a/b/memory.max", "max\n"),
            ("/sys/fs/cgroup/a/memory.max", "1073741824\n"),
            ("/sys/fs/cgroup/memory.max", "2147483648\n"),
        ];
        assert_eq!(least_of(&files), Some(1 << 30));
    }

    #[test]
    fn version_one_counts_as_well() {
        let files = [
            MEMINFO,
            ("/proc/self/cgroup", "12:cpu,cpuacct:/x\n5:memory:/docker/1234\n1:name=systemd:/x\n"),
            ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "536870912\n"),
        ];
        assert_eq!(least_of(&files), Some(512 << 20));
        let unlimited = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(least_of(&[MEMINFO, files[1], unlimited]), Some(HOST));
    }

    #[test]
    fn nonsense_is_not_believed() {
        let files = [("/proc/meminfo", "MemTotal: lots\n"), ("/proc/self/cgroup", "\n:\n::\n0:\n")];
        assert_eq!(least_of(&files), None);
    }
}
