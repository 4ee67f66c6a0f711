//! Which plugins there are. Their names are found in any case, as in ConTest.

use crate::nearest::nearest;

/// What a plugin is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Step,
    TargetManager,
    Fetcher,
    Reporter,
}

/// The plugins of this kind that are built in, by their real names.
pub(crate) fn built_in(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Step => &["Cmd", "Echo", "Sleep", "variables"],
        Kind::TargetManager => &["CSVFileTargetManager", "TargetList"],
        Kind::Fetcher => &["Literal", "URI"],
        Kind::Reporter => &["noop", "TargetSuccess"],
    }
}

/// Those that ConTest has besides (specs/contest.md 1.1, 4).
fn contests(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Step => &[
            "RandEcho",
            "SSHCmd",
            "CPUCmd",
            "Exec",
            "GatherCmd",
            "waitport",
            "TerminalExpect",
            "Qemu",
            "s3FileUpload",
        ],
        Kind::TargetManager | Kind::Fetcher | Kind::Reporter => &[],
    }
}

/// ConTest's word for the kind.
fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Step => "TestStep",
        Kind::TargetManager => "TargetManager",
        Kind::Fetcher => "TestFetcher",
        Kind::Reporter => "Reporter",
    }
}

/// A plugin that there is not.
#[derive(Debug)]
pub(crate) struct NotRegistered {
    /// ConTest's text.
    pub(crate) message: String,
    /// What to write instead.
    pub(crate) hint: String,
}

/// The real name of a plugin.
pub(crate) fn find(kind: Kind, name: &str) -> Result<&'static str, NotRegistered> {
    let known = built_in(kind);
    if let Some(found) = known.iter().find(|known| known.eq_ignore_ascii_case(name)) {
        return Ok(found);
    }
    let listed = known.iter().map(|name| name.to_ascii_lowercase()).collect::<Vec<_>>().join(", ");
    let hint = match contests(kind).iter().find(|known| known.eq_ignore_ascii_case(name)) {
        Some(known) => format!("{known} is not built in yet; there are: {listed}"),
        None => match nearest(name, known) {
            Some(near) => format!("did you mean \"{near}\"? There are: {listed}"),
            None => format!("there are: {listed}"),
        },
    };
    Err(NotRegistered { message: format!("{} {name} is not registered", type_name(kind)), hint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plugins_are_found_in_any_case() {
        assert_eq!(find(Kind::Step, "CMD").unwrap(), "Cmd");
        assert_eq!(find(Kind::Reporter, "Noop").unwrap(), "noop");
        assert_eq!(find(Kind::Fetcher, "literal").unwrap(), "Literal");
    }

    #[test]
    fn what_contest_has_and_we_not_yet_is_told_from_a_slip() {
        let refused = |name: &str| {
            let NotRegistered { message, hint } = find(Kind::Step, name).unwrap_err();
            (message, hint)
        };
        let (message, hint) = refused("randecho");
        assert_eq!(message, "TestStep randecho is not registered");
        assert_eq!(hint, "RandEcho is not built in yet; there are: cmd, echo, sleep, variables");
        assert!(refused("slep").1.starts_with("did you mean \"Sleep\"?"));
        assert_eq!(refused("nosuch").1, "there are: cmd, echo, sleep, variables");
    }
}
