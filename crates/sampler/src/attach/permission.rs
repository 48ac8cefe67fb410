//! What to do about a missing permission.

use py_spy_target::Permission;

/// Each way that applies, in one line.
pub(super) fn hint(permission: &Permission) -> String {
    if permission.ptrace_scope == Some(3) {
        // Not even root, and it can not be set back.
        return "kernel.yama.ptrace_scope is 3: nobody may trace until the next boot; set it to another value for that one"
            .to_owned();
    }
    let mut ways = Vec::new();
    // A container that has the right is kept out by something else.
    if permission.kubernetes && !permission.can_trace {
        ways.push(
            "give the container `securityContext: {capabilities: {add: [SYS_PTRACE]}}`, \
             or look from another one: `kubectl debug --profile=general --target=CONTAINER ...`"
                .to_owned(),
        );
    } else if permission.container && !permission.can_trace {
        ways.push("start the container with `docker run --cap-add SYS_PTRACE` (Podman has the same option)".to_owned());
    }
    if permission.closed && !permission.can_trace && !permission.other_user {
        ways.push("it is closed to its own user too: it is setuid, or has called prctl(PR_SET_DUMPABLE, 0)".to_owned());
    }
    if !permission.root {
        ways.push("run it as root: `sudo env \"PATH=$PATH\" py-spy ...`".to_owned());
    }
    match permission.ptrace_scope {
        Some(1) if !permission.can_trace && !permission.other_user && !permission.closed => ways.push(
            "or start the program from here, since kernel.yama.ptrace_scope is 1 (own children only): \
             `py-spy record -- python app.py`; \
             or have the program call prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY); \
             or let processes of one user trace each other: `sudo sysctl kernel.yama.ptrace_scope=0`"
                .to_owned(),
        ),
        Some(2) if !permission.can_trace => {
            ways.push("kernel.yama.ptrace_scope is 2: only processes with CAP_SYS_PTRACE may trace".to_owned());
        }
        _ => {}
    }
    if permission.root && ways.is_empty() {
        ways.push(rights_of_root(permission).to_owned());
    }
    ways.join("; ")
}

/// What keeps root out.
fn rights_of_root(permission: &Permission) -> &'static str {
    match (permission.can_trace, permission.user_namespace) {
        (true, true) => {
            "py-spy is root in a user namespace, and the process is not in it: run py-spy there, or as the host's root"
        }
        (true, false) => "a security policy (seccomp, SELinux, AppArmor) forbids it",
        (false, _) => {
            "CAP_SYS_PTRACE is missing: start py-spy with it, or give it to the program: \
             `sudo setcap cap_sys_ptrace+ep $(which py-spy)`"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: Permission = Permission {
        root: false,
        can_trace: false,
        user_namespace: false,
        ptrace_scope: None,
        container: false,
        kubernetes: false,
        other_user: false,
        closed: false,
    };
    const ROOT: Permission = Permission { root: true, ..USER };
    const STRANGER: Permission = Permission { other_user: true, ..USER };
    const CAPABLE: Permission = Permission { can_trace: true, ..ROOT };

    /// What the hint says, and what it does not.
    fn says(permission: &Permission, with: &[&str], without: &[&str]) {
        let hint = hint(permission);
        assert!(with.iter().all(|part| hint.contains(part)), "{permission:?}: {hint}");
        assert!(!without.iter().any(|part| hint.contains(part)), "{permission:?}: {hint}");
        assert!(!hint.contains('\n') && !hint.contains("  "), "{hint:?}");
    }

    #[test]
    fn each_value_of_yama_has_its_way() {
        let scope = |value, of: &Permission| Permission { ptrace_scope: Some(value), ..of.clone() };
        let own_children = ["record -- python", "PR_SET_PTRACER", "ptrace_scope=0"];
        for of in [&USER, &STRANGER] {
            says(&scope(0, of), &["sudo env"], &["ptrace_scope", "record --"]);
            says(&scope(2, of), &["sudo env", "ptrace_scope is 2", "CAP_SYS_PTRACE"], &own_children);
            says(&scope(3, of), &["next boot"], &["sudo env", "record --"]);
        }
        says(&scope(1, &USER), &["sudo env", own_children[0], own_children[1], own_children[2]], &[]);
        // That is not what keeps another user out.
        says(&scope(1, &STRANGER), &["sudo env"], &own_children);
        says(&scope(1, &ROOT), &own_children, &["sudo env"]);
        says(&scope(2, &ROOT), &["ptrace_scope is 2"], &["sudo env"]);
        says(&scope(3, &CAPABLE), &["next boot"], &["policy"]);
        for value in [0, 1, 2] {
            says(&scope(value, &CAPABLE), &["security policy"], &["ptrace_scope"]);
        }
    }

    #[test]
    fn containers_are_told_how_they_get_the_right() {
        let docker = |of: &Permission| Permission { container: true, ..of.clone() };
        let pod = |of: &Permission| Permission { kubernetes: true, container: true, ..of.clone() };
        says(&docker(&ROOT), &["docker run --cap-add SYS_PTRACE", "Podman"], &["setcap", "sudo"]);
        says(&docker(&USER), &["docker run --cap-add SYS_PTRACE", "sudo"], &[]);
        says(&pod(&ROOT), &["securityContext", "kubectl debug --profile"], &["docker", "sudo"]);
        says(&docker(&CAPABLE), &["security policy"], &["docker"]);
    }

    #[test]
    fn what_keeps_out_is_named() {
        says(&USER, &["sudo env"], &["setcap", "policy", "closed"]);
        says(&ROOT, &["CAP_SYS_PTRACE is missing", "setcap"], &["sudo env"]);
        says(&CAPABLE, &["security policy"], &["sudo"]);
        says(&Permission { user_namespace: true, ..CAPABLE }, &["user namespace"], &["policy"]);
        says(&Permission { closed: true, ..USER }, &["PR_SET_DUMPABLE", "sudo env"], &[]);
        says(&Permission { closed: true, ..STRANGER }, &["sudo env"], &["PR_SET_DUMPABLE"]);
    }
}
