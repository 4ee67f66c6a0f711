//! Whether every `{{if}}`, `{{range}}`, `{{with}}`, `{{block}}` and `{{define}}` has its `{{end}}`.
//!
//! The template library does not insist on it; Go does.

/// Looks at the keywords only: the text went through the library's lexer already, so that quotes and actions are
/// known to be closed.
pub(super) fn check(source: &str) -> Result<(), String> {
    let mut open = 0_usize;
    let mut rest = source;
    let line = |rest: &str| 1 + source[..source.len() - rest.len()].bytes().filter(|b| *b == b'\n').count();
    while let Some(start) = rest.find("{{") {
        let action = &rest[start + 2..];
        let trimmed = action.strip_prefix('-').unwrap_or(action).trim_start();
        if trimmed.starts_with("/*") {
            let end = trimmed.find("*/").map_or(trimmed.len(), |i| i + 2);
            rest = &trimmed[end..];
            continue;
        }
        let word_end =
            trimmed.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(trimmed.len());
        match &trimmed[..word_end] {
            "if" | "range" | "with" | "block" | "define" => open += 1,
            word @ ("end" | "else") if open == 0 => {
                return Err(format!("template: :{}: unexpected {{{{{word}}}}}", line(action)));
            }
            "end" => open -= 1,
            _ => {}
        }
        rest = after_action(trimmed);
    }
    match open {
        0 => Ok(()),
        _ => Err(format!("template: :{}: unexpected EOF", line(""))),
    }
}

/// What follows the `}}` that ends an action; quoted text may hold one of its own.
fn after_action(action: &str) -> &str {
    let mut chars = action.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '}' if action[i..].starts_with("}}") => return &action[i + 2..],
            '`' => {
                chars.by_ref().find(|(_, c)| *c == '`');
            }
            '"' | '\'' => {
                let mut escaped = false;
                for (_, inner) in chars.by_ref() {
                    match inner {
                        _ if escaped => escaped = false,
                        '\\' => escaped = true,
                        _ if inner == c => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn blocks_must_be_closed_once() {
        assert_eq!(check("{{if .ID}}a{{else}}b{{end}}"), Ok(()));
        assert_eq!(check("{{- range 3 -}}{{with .}}{{end}}{{- end -}}"), Ok(()));
        assert_eq!(check("{{/* {{if */}}{{print \"{{end}}\" `}}` '}'}}"), Ok(()));
        assert_eq!(check("a\n{{if .ID}}"), Err("template: :2: unexpected EOF".into()));
        assert_eq!(check("a{{end}}"), Err("template: :1: unexpected {{end}}".into()));
        assert_eq!(check("\n{{else}}"), Err("template: :2: unexpected {{else}}".into()));
        assert_eq!(check("{{endpoint}} {{ .end }}"), Ok(()));
    }
}
