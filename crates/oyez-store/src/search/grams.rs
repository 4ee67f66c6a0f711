//! Three letters at a time: what the index knows of a line, and what a pattern asks of it.
//!
//! A gram is three characters in a row of one line, in either case, hashed to [`BITS`] bits. Two different grams of one
//! hash cost a look at a page for nothing, never a hit.

use regex_syntax::hir::{ClassUnicode, ClassUnicodeRange};
use rustc_hash::FxHashMap;

/// Bits of a gram's hash.
const BITS: u32 = 25;
/// Characters of a gram's word: five bits each.
const LETTERS: u32 = BITS / 5;

/// A gram's hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gram(u32);

impl Gram {
    /// Of three folded characters.
    #[must_use]
    pub fn of(a: char, b: char, c: char) -> Gram {
        let key = u64::from(a as u32) << 42 | u64::from(b as u32) << 21 | u64::from(c as u32);
        // The multiplier is 2^64 divided by the golden ratio: neighbours go far apart.
        let hash = (key ^ key >> 29).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Gram((hash >> (64 - BITS)) as u32)
    }

    /// As the index's word: letters and digits.
    pub(crate) fn push_word(self, out: &mut String) {
        for i in (0..LETTERS).rev() {
            let five = (self.0 >> (i * 5) & 31) as u8;
            out.push(char::from(if five < 26 { b'a' + five } else { b'2' + five - 26 }));
        }
    }
}

/// Makes characters that a search takes for the same into one: the least of those that Unicode's simple case folding
/// takes for the same, which is what the crate `regex` does.
#[derive(Debug, Default)]
pub struct Fold {
    /// What was asked for before, but for ASCII.
    known: FxHashMap<char, char>,
}

/// So many characters are remembered.
const KNOWN: usize = 20_000;

impl Fold {
    /// The character that stands for this one and all that are the same.
    pub fn fold(&mut self, c: char) -> char {
        if c.is_ascii() {
            return c.to_ascii_uppercase();
        }
        if let Some(folded) = self.known.get(&c) {
            return *folded;
        }
        let mut class = ClassUnicode::new([ClassUnicodeRange::new(c, c)]);
        let folded = match class.try_case_fold_simple() {
            Ok(()) => class.ranges().first().map_or(c, ClassUnicodeRange::start),
            Err(_) => c,
        };
        if self.known.len() >= KNOWN {
            self.known.clear();
        }
        self.known.insert(c, folded);
        folded
    }
}

/// The grams of some lines, each once.
#[derive(Debug)]
pub(crate) struct Gatherer {
    fold: Fold,
    seen: Vec<u64>,
    grams: Vec<Gram>,
}

impl Gatherer {
    pub(crate) fn new() -> Self {
        Gatherer { fold: Fold::default(), seen: vec![0; 1 << (BITS - 6)], grams: Vec::new() }
    }

    /// Adds those of a line.
    pub(crate) fn line(&mut self, line: &str) {
        let (mut a, mut b, mut length) = ('\0', '\0', 0);
        for c in line.chars() {
            let c = self.fold.fold(c);
            length += 1;
            if length >= 3 {
                let gram = Gram::of(a, b, c);
                let (word, bit) = (gram.0 as usize / 64, 1 << (gram.0 % 64));
                if self.seen[word] & bit == 0 {
                    self.seen[word] |= bit;
                    self.grams.push(gram);
                }
            }
            (a, b) = (b, c);
        }
    }

    /// All of them as words, in order, with blanks between; there are none afterwards.
    pub(crate) fn take(&mut self) -> String {
        self.grams.sort_unstable();
        let mut words = String::with_capacity(self.grams.len() * (LETTERS as usize + 1));
        for gram in self.grams.drain(..) {
            self.seen[gram.0 as usize / 64] = 0;
            gram.push_word(&mut words);
            words.push(' ');
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_a_search_takes_for_the_same_are_one() {
        let mut fold = Fold::default();
        for same in ["kK\u{212a}", "sSſ", "σςΣ", "äÄ", "ǅǆǄ"] {
            let folded: Vec<char> = same.chars().map(|c| fold.fold(c)).collect();
            assert!(folded.windows(2).all(|two| two[0] == two[1]), "{same}: {folded:?}");
            let mut chars = same.chars();
            let first = chars.next().unwrap();
            for other in chars {
                let regex = regex::RegexBuilder::new(&first.to_string()).case_insensitive(true).build();
                assert!(regex.unwrap().is_match(&other.to_string()), "{first} {other}");
            }
        }
        assert_ne!(fold.fold('ß'), fold.fold('s'));
    }

    #[test]
    fn each_gram_is_a_word_and_stands_once() {
        let mut gatherer = Gatherer::new();
        gatherer.line("abcabc");
        gatherer.line("ab");
        gatherer.line("ABC");
        let words = gatherer.take();
        assert_eq!(words.split_whitespace().count(), 3, "abc, bca, cab: {words}");
        assert!(words.split_whitespace().all(|word| word.len() == 5));
        assert_eq!(gatherer.take(), "");
        gatherer.line("abc");
        assert_eq!(gatherer.take().split_whitespace().count(), 1);
    }
}
