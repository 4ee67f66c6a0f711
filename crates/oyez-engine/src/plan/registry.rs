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
        Kind::Step => &[
            "Cmd",
            "Echo",
            "Exec",
            "GatherCmd",
            "Qemu",
            "RandEcho",
            "SSHCmd",
            "Sleep",
            "TerminalExpect",
            "s3FileUpload",
            "variables",
            "waitport",
        ],
        Kind::TargetManager => &["CSVFileTargetManager", "TargetList"],
        Kind::Fetcher => &["Literal", "URI"],
        Kind::Reporter => &["noop", "TargetSuccess"],
    }
}

/// Those that ConTest has and we leave out on purpose, each with why (specs/contest.md 4).
const LEFT_OUT: [(Kind, &str, &str); 1] = [(
    Kind::Step,
    "CPUCmd",
    "is left out on purpose: it speaks the protocol of u-root's cpu; sshcmd does the same over ssh",
)];

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
    let left_out = LEFT_OUT.iter().find(|(of, known, _)| *of == kind && known.eq_ignore_ascii_case(name));
    let hint = match (left_out, nearest(name, known)) {
        (Some((_, known, why)), _) => format!("{known} {why}"),
        (None, Some(near)) => format!("did you mean \"{near}\"?"),
        (None, None) => format!("there are: {listed}"),
    };
    Err(not_registered(kind, name, hint))
}

/// There is none of this name.
fn not_registered(kind: Kind, name: &str, hint: String) -> NotRegistered {
    NotRegistered { message: format!("{} {name} is not registered", type_name(kind)), hint }
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
    fn what_is_left_out_on_purpose_is_told_from_a_slip() {
        let refused = |name: &str| {
            let NotRegistered { message, hint } = find(Kind::Step, name).unwrap_err();
            (message, hint)
        };
        let (message, hint) = refused("cpucmd");
        assert_eq!(message, "TestStep cpucmd is not registered");
        assert!(hint.starts_with("CPUCmd is left out on purpose: "), "{hint}");
        assert!(refused("slep").1.starts_with("did you mean \"Sleep\"?"));
        assert!(refused("nosuch").1.starts_with("there are: cmd, echo, exec, gathercmd, "));
    }
}
