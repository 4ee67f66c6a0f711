//! Words for a shell: what a server runs is one text, which its user's shell takes apart again.

/// Joins words so that a POSIX shell takes them apart as they are.
pub(in crate::steps) fn join<'w>(words: impl IntoIterator<Item = &'w str>) -> String {
    let mut out = String::new();
    for word in words {
        if !out.is_empty() {
            out.push(' ');
        }
        quote(word, &mut out);
    }
    out
}

fn quote(word: &str, out: &mut String) {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_-./:=@%+,".contains(&b);
    if !word.is_empty() && word.bytes().all(is_plain) {
        out.push_str(word);
        return;
    }
    out.push('\'');
    for part in word.split_inclusive('\'') {
        match part.strip_suffix('\'') {
            Some(before) => {
                out.push_str(before);
                out.push_str("'\\''");
            }
            None => out.push_str(part),
        }
    }
    out.push('\'');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn plain_words_stay_as_they_are() {
        assert_eq!(
            join(["/bin/echo", "--a=b", "", "it's", "$x y"]),
            r#"/bin/echo --a=b '' 'it'\''s' '$x y'"#
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_shell_takes_any_words_apart_again(words in prop::collection::vec("[^\0]{0,12}", 1..5)) {
            let line = join(std::iter::once("printf").chain(["%s\\0"]).chain(words.iter().map(String::as_str)));
            let output = std::process::Command::new("sh").arg("-c").arg(&line).output().unwrap();
            let expected: Vec<u8> = words.iter().flat_map(|word| word.bytes().chain([0])).collect();
            prop_assert_eq!(output.stdout, expected);
        }
    }
}
