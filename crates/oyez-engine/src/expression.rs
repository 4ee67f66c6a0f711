//! Success expressions: `>=80%`, `=100%`, `>3`.
//!
//! The operator stands first, then a number, then perhaps a percent sign; nothing else, not even a blank. With the
//! sign, successes are compared as a share of all, else their count (specs/contest.md 1.12).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// How the two sides are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `>=`
    AtLeast,
    /// `<=`
    AtMost,
    /// `<`
    Below,
    /// `>`
    Above,
    /// `=`
    Equal,
}

impl Operator {
    /// In the order in which ConTest tries them: the two-letter ones before those that they start with.
    const ALL: [Operator; 5] =
        [Operator::AtLeast, Operator::AtMost, Operator::Below, Operator::Above, Operator::Equal];

    /// Its sign.
    #[must_use]
    pub fn sign(self) -> &'static str {
        match self {
            Operator::AtLeast => ">=",
            Operator::AtMost => "<=",
            Operator::Below => "<",
            Operator::Above => ">",
            Operator::Equal => "=",
        }
    }

    #[expect(
        clippy::float_cmp,
        reason = "the expression's `=` is exact in ConTest, and counts are whole numbers"
    )]
    fn holds(self, left: f64, right: f64) -> bool {
        match self {
            Operator::AtLeast => left >= right,
            Operator::AtMost => left <= right,
            Operator::Below => left < right,
            Operator::Above => left > right,
            Operator::Equal => left == right,
        }
    }
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Successes as a share of all, in percent.
    Percentage,
    /// The count of successes.
    Count,
}

/// A success expression that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Expression {
    text: String,
    operator: Operator,
    measure: Measure,
    bound: f64,
}

/// Why a text is no success expression.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExpressionError {
    /// No operator at its start.
    #[error("expression {0:?} not supported: it must start with >=, <=, <, > or =")]
    NoOperator(String),
    /// What follows the operator is no number.
    #[error("expression {0:?}: after the operator there must be a number, perhaps followed by %")]
    NoNumber(String),
}

/// The result of a comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Whether it holds.
    pub pass: bool,
    /// `100.00% = 100.00%`, `0.00% is not = 100.00%`, `2.00 >= 1.00`.
    pub text: String,
}

impl Expression {
    /// What it compares.
    #[must_use]
    pub fn measure(&self) -> Measure {
        self.measure
    }

    /// Compares `succeeded` of `total`. A share of nothing does not exist: `None`.
    #[must_use]
    pub fn evaluate(&self, succeeded: u64, total: u64) -> Option<Comparison> {
        self.achieved(succeeded, total).map(|achieved| self.compare(achieved))
    }

    /// What `succeeded` of `total` come to in this expression's measure.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts of targets stay far below 2^53")]
    pub fn achieved(&self, succeeded: u64, total: u64) -> Option<f64> {
        match self.measure {
            Measure::Count => Some(succeeded as f64),
            Measure::Percentage if total == 0 => None,
            Measure::Percentage => Some(succeeded as f64 / total as f64 * 100.0),
        }
    }

    /// Compares a number that is already in this expression's measure.
    #[must_use]
    pub fn compare(&self, achieved: f64) -> Comparison {
        let pass = self.operator.holds(achieved, self.bound);
        let unit = if self.measure == Measure::Percentage { "%" } else { "" };
        let is_not = if pass { "" } else { "is not " };
        let (sign, bound) = (self.operator.sign(), self.bound);
        Comparison { pass, text: format!("{achieved:.2}{unit} {is_not}{sign} {bound:.2}{unit}") }
    }
}

impl FromStr for Expression {
    type Err = ExpressionError;

    fn from_str(text: &str) -> Result<Self, ExpressionError> {
        let operator = Operator::ALL
            .into_iter()
            .find(|operator| text.starts_with(operator.sign()))
            .ok_or_else(|| ExpressionError::NoOperator(text.to_owned()))?;
        // ConTest takes the operator's letters off both ends, however many there are.
        let operand = text.trim_matches(|c| operator.sign().contains(c));
        let (measure, number) = match operand.ends_with('%') {
            true => (Measure::Percentage, operand.trim_end_matches('%')),
            false => (Measure::Count, operand),
        };
        let bound = go_float(number).ok_or_else(|| ExpressionError::NoNumber(text.to_owned()))?;
        Ok(Expression { text: text.to_owned(), operator, measure, bound })
    }
}

/// A number as Go's `ParseFloat` takes it; too large a one is an error there, not infinity.
fn go_float(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    let said_infinite = text.contains(['i', 'I']);
    (number.is_finite() || number.is_nan() || said_infinite).then_some(number)
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(expression: &str, succeeded: u64, total: u64) -> String {
        expression.parse::<Expression>().unwrap().evaluate(succeeded, total).unwrap().text
    }

    #[test]
    fn comparisons_read_as_recorded() {
        assert_eq!(text("=100%", 3, 3), "100.00% = 100.00%");
        assert_eq!(text("=100%", 0, 3), "0.00% is not = 100.00%");
        assert_eq!(text("=100%", 1, 2), "50.00% is not = 100.00%");
        assert_eq!(text(">=2", 2, 5), "2.00 >= 2.00");
        assert_eq!(text("<2", 2, 5), "2.00 is not < 2.00");
        assert_eq!(text("<=66.67%", 2, 3), "66.67% <= 66.67%");
        assert_eq!(text(">80%", 1, 3), "33.33% is not > 80.00%");
    }

    #[test]
    fn oddities_of_contests_grammar_are_kept() {
        let ok = |t: &str| t.parse::<Expression>().is_ok();
        assert!(ok(">80%") && ok("=1e2%") && ok("=+5") && ok(">80>") && ok("=5%%"));
        assert!(
            !ok("80%") && !ok(" >80%") && !ok("> 80%") && !ok("") && !ok(">") && !ok("=%") && !ok("=1e999")
        );
        assert!(!ok("==100 %"));
        assert_eq!(text(">80>", 81, 100), "81.00 > 80.00");
    }

    #[test]
    fn a_share_of_nothing_is_no_number() {
        assert_eq!("=100%".parse::<Expression>().unwrap().evaluate(0, 0), None);
        assert_eq!("=0".parse::<Expression>().unwrap().evaluate(0, 0).unwrap().text, "0.00 = 0.00");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[<>=]{0,3}[ 0-9.e%a-z+-]{0,12}") {
            if let Ok(expression) = text.parse::<Expression>() {
                let _either = expression.evaluate(1, 2);
            }
        }
    }
}
