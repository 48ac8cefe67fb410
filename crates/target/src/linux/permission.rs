//! What the system says about reading another process.

use std::os::unix::fs::MetadataExt;

use super::process::Target;

/// What the system says about reading other processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// We are root, in our own user namespace.
    pub root: bool,
    /// We have `CAP_SYS_PTRACE`, in our own user namespace.
    pub can_trace: bool,
    /// Our user namespace is not the system's first: outside of it our rights are none.
    pub user_namespace: bool,
    /// Yama's `kernel.yama.ptrace_scope`, where there is one.
    pub ptrace_scope: Option<u8>,
    /// We run in a Docker or Podman container.
    pub container: bool,
    /// We run in a Kubernetes pod.
    pub kubernetes: bool,
    /// The process belongs to another user than we do.
    pub other_user: bool,
    /// The process is closed to its own user too: it is setuid, or has called `prctl(PR_SET_DUMPABLE, 0)`.
    pub closed: bool,
}

/// Bit of `CAP_SYS_PTRACE` in a capability set (`linux/capability.h`).
const CAP_SYS_PTRACE: u32 = 19;

/// Ids of the first user namespace: all there are, each as it is (`user_namespaces(7)`).
const ALL_IDS: [&str; 3] = ["0", "0", "4294967295"];

impl Target {
    /// What the system says about our reading it.
    pub fn permission(&self) -> Permission {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let own = read("/proc/self/status");
        let field = |name| own.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let effective = field("CapEff:").and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0);
        let own_uid = field("Uid:").and_then(|ids| ids.split_whitespace().next());
        let ids = read("/proc/self/uid_map");
        let exists = |path: &str| std::path::Path::new(path).exists();
        let cgroup = read("/proc/self/cgroup");
        let other_uid = self.status_field("Uid:");
        let owner = std::fs::metadata(format!("/proc/{}/mem", self.pid)).map(|file| file.uid().to_string()).ok();
        let first =
            |ids: &Option<String>| ids.as_deref().and_then(|ids| ids.split_whitespace().next()).map(str::to_owned);
        Permission {
            root: own_uid == Some("0"),
            can_trace: effective >> CAP_SYS_PTRACE & 1 == 1,
            user_namespace: !ids.is_empty() && !ids.split_whitespace().eq(ALL_IDS),
            ptrace_scope: read("/proc/sys/kernel/yama/ptrace_scope").trim().parse().ok(),
            container: exists("/.dockerenv") || exists("/run/.containerenv") || cgroup.contains("/docker/"),
            kubernetes: std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() || cgroup.contains("/kubepods"),
            other_user: own_uid.is_some() && first(&other_uid).as_deref() != own_uid,
            // The files of such a process are root's (`task_dump_owner` in the kernel's `fs/proc/base.c`).
            closed: owner.is_some() && other_uid.is_some() && owner != first(&other_uid),
        }
    }
}
