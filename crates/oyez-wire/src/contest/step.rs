//! The names that step plugins go by in `status`: their own, however a descriptor spells them (specs/contest.md 1.1).

const OWN_NAMES: [&str; 13] = [
    "Cmd",
    "CPUCmd",
    "Echo",
    "Exec",
    "GatherCmd",
    "Qemu",
    "RandEcho",
    "s3FileUpload",
    "Sleep",
    "SSHCmd",
    "TerminalExpect",
    "variables",
    "waitport",
];

/// The plugin's own name; one that is not ConTest's is called as the descriptor calls it.
#[must_use]
pub fn own_name(name: &str) -> &str {
    OWN_NAMES.into_iter().find(|own| own.eq_ignore_ascii_case(name)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::own_name;

    #[test]
    fn a_plugin_has_one_name_however_it_is_spelled() {
        assert_eq!(own_name("CMD"), "Cmd");
        assert_eq!(own_name("sshcmd"), "SSHCmd");
        assert_eq!(own_name("Variables"), "variables");
        assert_eq!(own_name("Mine"), "Mine");
    }
}
