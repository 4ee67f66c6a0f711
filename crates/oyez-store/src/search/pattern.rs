//! A text or a regular expression to search for, and what a line must have to match it.
//!
//! Both take upper and lower case for the same; a regular expression can say otherwise (`(?-i)`). Matching takes time in
//! proportion to the text, whatever the pattern; how large a pattern may be is bounded.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};
use thiserror::Error;

use super::grams::{Fold, Gram};

/// Bytes of a pattern.
pub const LONGEST: usize = 1000;
/// Bytes of a regular expression in its compiled form.
const LARGEST: usize = 4 << 20;
/// How deep groups may be in groups.
const DEEPEST: u32 = 100;
/// Grams that are asked of the index for one pattern: more tell little more.
const MOST_GRAMS: usize = 48;
/// Grams of one piece of text.
const MOST_OF_A_PIECE: usize = 12;
/// Branches of one alternation that are asked for; with more of them it says nothing.
const MOST_BRANCHES: usize = 16;

/// Why a pattern is refused.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PatternError {
    /// There is nothing in it.
    #[error("there is no text to search for: leave it out to find every line")]
    Empty,
    /// It is too long.
    #[error("the text to search for has {0} bytes, {LONGEST} are the most")]
    TooLong(usize),
    /// It is no regular expression.
    #[error("the regular expression is wrong at character {}: {reason}; `{at}` stands there", offset + 1)]
    Syntax {
        /// Where, in characters from 0.
        offset: usize,
        /// What stands there, the first of it.
        at: String,
        /// What is wrong.
        reason: String,
    },
    /// It is too large when it is taken apart: many repetitions of repetitions, say.
    #[error(
        "the regular expression becomes too large ({} MiB are the most): repeat less, or search for a part of it",
        LARGEST >> 20
    )]
    TooLarge,
}

/// A text or a regular expression.
#[derive(Clone)]
pub struct Pattern(Arc<Inner>);

struct Inner {
    text: String,
    regex: Regex,
    need: Need,
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pattern({:?})", self.0.text)
    }
}

impl Pattern {
    /// This text, as it stands, in either case.
    ///
    /// # Errors
    /// [`PatternError::Empty`], [`PatternError::TooLong`].
    pub fn literal(text: &str) -> Result<Pattern, PatternError> {
        Pattern::new(text, &regex_syntax::escape(text))
    }

    /// This regular expression (syntax of the crate `regex`: no look-around, no back-references), in either case.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn regex(text: &str) -> Result<Pattern, PatternError> {
        Pattern::new(text, text)
    }

    fn new(text: &str, regex: &str) -> Result<Pattern, PatternError> {
        match text.len() {
            0 => return Err(PatternError::Empty),
            length if length > LONGEST => return Err(PatternError::TooLong(length)),
            _ => {}
        }
        let mut parser = ParserBuilder::new().case_insensitive(true).nest_limit(DEEPEST).build();
        let hir = parser.parse(regex).map_err(|e| wrong(text, &e))?;
        let built =
            RegexBuilder::new(regex).case_insensitive(true).nest_limit(DEEPEST).size_limit(LARGEST).build();
        let regex = built.map_err(|_| PatternError::TooLarge)?;
        let need = Walk { fold: Fold::default(), left: MOST_GRAMS }.need(&hir);
        Ok(Pattern(Arc::new(Inner { text: text.to_owned(), regex, need })))
    }

    /// It, as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Where it matches a line first.
    #[must_use]
    pub fn find(&self, line: &str) -> Option<Range<usize>> {
        self.0.regex.find(line).map(|found| found.range())
    }

    /// What the index must know of a page with such a line, in the language of SQLite's FTS5; none when it may be any.
    pub(crate) fn index_query(&self) -> Option<String> {
        let mut query = String::new();
        self.0.need.write(&mut query).then_some(query)
    }
}

/// What is wrong with a regular expression, and where.
fn wrong(text: &str, e: &regex_syntax::Error) -> PatternError {
    let (offset, reason) = match e {
        regex_syntax::Error::Parse(e) => (e.span().start.offset, e.kind().to_string()),
        regex_syntax::Error::Translate(e) => (e.span().start.offset, e.kind().to_string()),
        other => (0, other.to_string()),
    };
    let offset = text.floor_char_boundary(offset);
    let at = text[offset..].chars().take(10).collect();
    PatternError::Syntax { offset: text[..offset].chars().count(), at, reason }
}

/// What a text must have.
#[derive(Debug, PartialEq, Eq)]
enum Need {
    /// Nothing that is known.
    Any,
    One(Gram),
    All(Vec<Need>),
    Some(Vec<Need>),
}

impl Need {
    fn all(mut needs: Vec<Need>) -> Need {
        needs.retain(|need| *need != Need::Any);
        match needs.len() {
            0 => Need::Any,
            1 => needs.swap_remove(0),
            _ => Need::All(needs),
        }
    }

    /// Writes it as a query; false when there is nothing to ask for.
    fn write(&self, out: &mut String) -> bool {
        let (needs, word) = match self {
            Need::Any => return false,
            Need::One(gram) => {
                gram.push_word(out);
                return true;
            }
            Need::All(needs) => (needs, " AND "),
            Need::Some(needs) => (needs, " OR "),
        };
        out.push('(');
        for (i, need) in needs.iter().enumerate() {
            if i > 0 {
                out.push_str(word);
            }
            need.write(out);
        }
        out.push(')');
        true
    }
}

/// Takes a regular expression apart.
struct Walk {
    fold: Fold,
    /// Grams that may still be asked for.
    left: usize,
}

impl Walk {
    fn need(&mut self, hir: &Hir) -> Need {
        let (mut piece, mut needs) = (Vec::new(), Vec::new());
        self.part(hir, &mut piece, &mut needs);
        self.end_piece(&mut piece, &mut needs);
        Need::all(needs)
    }

    /// A part of a sequence: it goes on with the piece of fixed text before it, or ends it.
    fn part(&mut self, hir: &Hir, piece: &mut Vec<char>, needs: &mut Vec<Need>) {
        match hir.kind() {
            // What takes no room may stand anywhere.
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => match std::str::from_utf8(&literal.0) {
                Ok(text) => piece.extend(text.chars().map(|c| self.fold.fold(c))),
                Err(_) => self.end_piece(piece, needs),
            },
            HirKind::Class(class) => match self.one_of(class) {
                Some(c) => piece.push(c),
                None => self.end_piece(piece, needs),
            },
            HirKind::Capture(capture) => self.part(&capture.sub, piece, needs),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.part(part, piece, needs)),
            HirKind::Repetition(repetition) => {
                self.end_piece(piece, needs);
                if repetition.min > 0 {
                    needs.push(self.need(&repetition.sub));
                }
            }
            HirKind::Alternation(branches) => {
                self.end_piece(piece, needs);
                if branches.len() <= MOST_BRANCHES {
                    let some: Vec<Need> = branches.iter().map(|branch| self.need(branch)).collect();
                    if !some.contains(&Need::Any) {
                        needs.push(Need::Some(some));
                    }
                }
            }
        }
    }

    /// The one character that all of a class are taken for: how either case looks in here.
    fn one_of(&mut self, class: &Class) -> Option<char> {
        let Class::Unicode(class) = class else { return None };
        // The largest sets of characters that are the same have four.
        let mut chars = class.ranges().iter().flat_map(|range| range.start()..=range.end()).take(9);
        let first = self.fold.fold(chars.next()?);
        let mut count = 1;
        for c in chars {
            count += 1;
            if self.fold.fold(c) != first {
                return None;
            }
        }
        (count < 9).then_some(first)
    }

    fn end_piece(&mut self, piece: &mut Vec<char>, needs: &mut Vec<Need>) {
        let count = piece.len().saturating_sub(2);
        // Of a long piece every third gram and the last say all its letters.
        let step = if count > MOST_OF_A_PIECE { 3 } else { 1 };
        let last = count.saturating_sub(1);
        let places = (0..count).filter(|i| i % step == 0 || *i == last).take(MOST_OF_A_PIECE);
        let mut grams: Vec<Gram> = places.map(|i| Gram::of(piece[i], piece[i + 1], piece[i + 2])).collect();
        grams.sort_unstable();
        grams.dedup();
        grams.truncate(self.left);
        self.left -= grams.len();
        needs.extend(grams.into_iter().map(Need::One));
        piece.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::grams::Gatherer;
    use super::*;

    /// Whether a page with these lines would be looked at.
    fn is_candidate(pattern: &Pattern, lines: &[&str]) -> bool {
        let mut gatherer = Gatherer::new();
        lines.iter().for_each(|line| gatherer.line(line));
        let words = gatherer.take();
        fn holds(need: &Need, words: &str) -> bool {
            match need {
                Need::Any => true,
                Need::One(gram) => {
                    let mut word = String::new();
                    gram.push_word(&mut word);
                    words.contains(&word)
                }
                Need::All(needs) => needs.iter().all(|need| holds(need, words)),
                Need::Some(needs) => needs.iter().any(|need| holds(need, words)),
            }
        }
        holds(&pattern.0.need, &words)
    }

    #[test]
    fn a_text_is_found_in_either_case_and_as_it_stands() {
        let pattern = Pattern::literal("a.B[").unwrap();
        assert_eq!(pattern.find("xA.b[y"), Some(1..5));
        assert_eq!(pattern.find("axb["), None);
        assert!(is_candidate(&pattern, &["xA.b[y"]) && !is_candidate(&pattern, &["axb["]));
        assert!(Pattern::literal("ab").unwrap().index_query().is_none());
    }

    #[test]
    fn the_index_is_asked_for_what_every_match_must_have() {
        for (regex, must) in [
            ("timeout", true),
            ("^time(d )?out after [0-9]+ seconds$", true),
            ("(error|warning|failed): ", true),
            (r"\btime\w+", true),
            ("a+bcd", true),
            ("(?-i)Timeout", true),
            ("(?:abc){2,}", true),
            (".*", false),
            ("[0-9]+", false),
            ("(abc)?", false),
            ("abc|x", false),
            ("ab.cd", false),
        ] {
            assert_eq!(Pattern::regex(regex).unwrap().index_query().is_some(), must, "{regex}");
        }
        let pattern = Pattern::regex("(foo|bar)[0-9]+ baz").unwrap();
        assert!(is_candidate(&pattern, &["Bar17 BAZ"]));
        assert!(!is_candidate(&pattern, &["foo17"]) && !is_candidate(&pattern, &["17 baz"]));
    }

    #[test]
    fn long_texts_and_many_branches_ask_for_a_bounded_number_of_grams() {
        let long: String = (0..300).map(|i| char::from(b'a' + (i * 7 % 26) as u8)).collect();
        let branches: Vec<String> =
            (0..16).map(|i| format!("{long}{i}")).map(|s| s[..50].to_owned()).collect();
        for pattern in [Pattern::literal(&long).unwrap(), Pattern::regex(&branches.join("|")).unwrap()] {
            let words = pattern.index_query().map_or(0, |query| query.matches(' ').count() / 2 + 1);
            assert!(words <= MOST_GRAMS, "{words}");
        }
        // A branch for which no gram is left asks for nothing, so that the whole does not.
        let many: Vec<String> = (0..16).map(|i| format!("branch number {i} of them")).collect();
        let many = Pattern::regex(&many.join("|")).unwrap();
        assert!(is_candidate(&many, &["branch number 15 of them"]));
    }

    #[test]
    fn a_wrong_pattern_is_refused_with_its_place() {
        assert_eq!(Pattern::regex("").unwrap_err(), PatternError::Empty);
        assert_eq!(Pattern::literal("").unwrap_err(), PatternError::Empty);
        let text = |regex: &str| Pattern::regex(regex).unwrap_err().to_string();
        assert_eq!(
            text("ä(b"),
            "the regular expression is wrong at character 2: unclosed group; `(b` stands there"
        );
        assert!(text("a{1000}{1000}{1000}").contains("too large"), "{}", text("a{1000}{1000}{1000}"));
        assert!(text(r"(a)\1").contains("backreferences are not supported"));
        assert!(text(&"(".repeat(900)).starts_with("the regular expression is wrong"));
        assert!(text(&format!("{}{}", "(".repeat(400), ")".repeat(400))).contains("nest"));
        assert!(text(&"x".repeat(1001)).contains("1001 bytes"));
        assert!(text("*").contains("character 1"));
    }

    proptest::proptest! {
        #[test]
        fn no_line_that_matches_is_ever_left_out_by_the_index(
            regex in "[abKſσ]{1,4}(\\((ab|Σk|s)\\))?([.+*?]|[a-k]{1,3}|\\[ab\\]|\\{2\\}|x\\|y){0,3}",
            line in "[abKkKſSsσςΣxy ]{0,12}",
        ) {
            let regex = regex.replace("\\(", "(").replace("\\)", ")");
            if let Ok(pattern) = Pattern::regex(&regex)
                && pattern.find(&line).is_some()
            {
                proptest::prop_assert!(is_candidate(&pattern, &[&line]), "{regex:?} {line:?}");
            }
        }
    }
}
