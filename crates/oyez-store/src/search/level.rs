//! The level of a line of log: the event's own, else what stands at the head of the line.
//!
//! A line has a level when one of these holds, looked for in this order within its first [`HEAD`] bytes:
//!
//! | form | example |
//! |---|---|
//! | pyATS's and Cisco's: `%NAME-LEVEL` | `2024-01-01T00:00:00: %AETEST-ERROR: no route` |
//! | a word in capitals, alone between blanks and signs | `12:00:01 [worker-3] WARN disk is slow` |
//! | the first word, in brackets or before a colon | `error: no such file`, `[warning] slow` |
//! | `level=` or `lvl=` | `time=12:00 level=info msg=started` |

use std::fmt;
use std::str::FromStr;

/// So far into a line its level is looked for.
const HEAD: usize = 80;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// `DEBUG`, `TRACE`, `VERBOSE`.
    Debug,
    /// `INFO`, `NOTICE`.
    Info,
    /// `WARN`, `WARNING`.
    Warning,
    /// `ERROR`, `ERR`, `SEVERE`.
    Error,
    /// `CRITICAL`, `FATAL`, `PANIC`, `ALERT`, `EMERGENCY`.
    Critical,
}

impl Level {
    /// All of them, the least first.
    pub const ALL: [Level; 5] = [Level::Debug, Level::Info, Level::Warning, Level::Error, Level::Critical];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warning => "warning",
            Level::Error => "error",
            Level::Critical => "critical",
        }
    }

    /// The level that a word in any case means.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Level> {
        const WORDS: [(&str, Level); 18] = [
            ("debug", Level::Debug),
            ("trace", Level::Debug),
            ("verbose", Level::Debug),
            ("info", Level::Info),
            ("information", Level::Info),
            ("notice", Level::Info),
            ("warn", Level::Warning),
            ("warning", Level::Warning),
            ("error", Level::Error),
            ("err", Level::Error),
            ("severe", Level::Error),
            ("critical", Level::Critical),
            ("crit", Level::Critical),
            ("fatal", Level::Critical),
            ("panic", Level::Critical),
            ("alert", Level::Critical),
            ("emergency", Level::Critical),
            ("emerg", Level::Critical),
        ];
        let is_word = (3..=11).contains(&word.len());
        WORDS.iter().find(|(known, _)| is_word && known.eq_ignore_ascii_case(word)).map(|(_, level)| *level)
    }

    /// The level of a line: what its event says, else what stands at its head.
    #[must_use]
    pub fn of_line(own: Option<&str>, line: &str) -> Option<Level> {
        own.and_then(|own| Level::of_word(own.trim())).or_else(|| Level::at_head(line))
    }

    fn at_head(line: &str) -> Option<Level> {
        let head = &line[..line.floor_char_boundary(HEAD)];
        let sign = |c: char| !(c.is_alphanumeric() || c == '_' || c == '-' || c == '%' || c == '=');
        for word in head.split(sign).filter(|word| word.len() >= 3) {
            if let Some(peer) = word.strip_prefix('%') {
                if let Some(level) = peer.rsplit('-').next().and_then(Level::of_word) {
                    return Some(level);
                }
            } else if word.bytes().all(|b| b.is_ascii_uppercase()) {
                if let Some(level) = Level::of_word(word) {
                    return Some(level);
                }
            } else if let Some(value) = word.strip_prefix("level=").or_else(|| word.strip_prefix("lvl="))
                && let Some(level) = Level::of_word(value)
            {
                return Some(level);
            }
        }
        let first = head.trim_start();
        let word = match first.strip_prefix(['[', '<', '(']) {
            Some(rest) => rest.split_once([']', '>', ')'])?.0,
            None => first.split_once(':')?.0,
        };
        Level::of_word(word.trim())
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of levels; lines without a level are one of its members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels(u8);

impl Levels {
    /// Whether there is none in it: then it means any.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Adds a level, or the lines without one.
    pub fn add(&mut self, level: Option<Level>) {
        self.0 |= Levels::bit(level);
    }

    /// Whether a line of this level is meant.
    #[must_use]
    pub fn fits(self, level: Option<Level>) -> bool {
        self.is_empty() || self.0 & Levels::bit(level) != 0
    }

    /// As bits: 1 for lines without a level, then one for each of [`Level::ALL`].
    #[must_use]
    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    const fn bit(level: Option<Level>) -> u8 {
        match level {
            None => 1,
            Some(level) => 2 << level as u8,
        }
    }
}

impl fmt::Display for Levels {
    /// The words that are read back.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Level::ALL.into_iter().filter(|level| self.0 & Levels::bit(Some(*level)) != 0);
        let mut words: Vec<&str> = known.map(Level::as_str).collect();
        if self.0 & Levels::bit(None) != 0 {
            words.push("none");
        }
        f.write_str(&words.join(","))
    }
}

impl FromStr for Levels {
    type Err = String;

    /// Words between commas: those of [`Level::of_word`], and `none` for lines without a level.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut levels = Levels::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let level = Level::of_word(word);
            if level.is_none() && !word.eq_ignore_ascii_case("none") {
                return Err(format!(
                    "{word:?} is no level: debug, info, warning, error, critical, or none for lines without one"
                ));
            }
            levels.add(level);
        }
        Ok(levels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_stands_at_the_head_of_a_line() {
        for (line, level) in [
            ("2024-01-01T00:00:00: %AETEST-ERROR: no route", Some(Level::Error)),
            ("%EASYPY-INFO: started", Some(Level::Info)),
            ("*Mar  1 00:00:00: %LINK-CRITICAL: down", Some(Level::Critical)),
            ("12:00:01 [worker-3] WARN disk is slow", Some(Level::Warning)),
            ("[2024-01-01 00:00:00,123: DEBUG/Main] x", Some(Level::Debug)),
            ("error: no such file", Some(Level::Error)),
            ("  Warning: unused", Some(Level::Warning)),
            ("[warning] slow", Some(Level::Warning)),
            ("time=12:00 level=info msg=started", Some(Level::Info)),
            ("FATAL out of memory", Some(Level::Critical)),
            ("no error was found", None),
            ("an information: nothing", None),
            ("ERRORS 0", None),
            ("error", None),
            ("", None),
            ("[unclosed", None),
        ] {
            assert_eq!(Level::of_line(None, line), level, "{line}");
        }
        let far = format!("{}ERROR", "x ".repeat(50));
        assert_eq!(Level::of_line(None, &far), None);
        assert_eq!(Level::of_line(None, &"ä".repeat(100)), None);
    }

    #[test]
    fn what_the_event_says_comes_first() {
        assert_eq!(Level::of_line(Some("info"), "ERROR: x"), Some(Level::Info));
        assert_eq!(Level::of_line(Some("unheard of"), "ERROR: x"), Some(Level::Error));
    }

    #[test]
    fn a_set_of_levels_is_read_from_words_and_empty_means_any() {
        let levels: Levels = "error, FATAL".parse().unwrap();
        assert!(levels.fits(Some(Level::Critical)) && levels.fits(Some(Level::Error)));
        assert!(!levels.fits(Some(Level::Info)) && !levels.fits(None));
        assert!("none".parse::<Levels>().unwrap().fits(None));
        assert!("".parse::<Levels>().unwrap().fits(Some(Level::Debug)));
        assert_eq!("FATAL,none,err".parse::<Levels>().unwrap().to_string(), "error,critical,none");
        assert!("error,loud".parse::<Levels>().unwrap_err().contains("\"loud\" is no level"));
    }
}
