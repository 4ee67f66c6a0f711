//! "Did you mean ...": the known name that is nearest to one that is not known.

use strsim::damerau_levenshtein;

/// Names longer than this are not compared: no known name is near, and the comparison is quadratic.
const LONGEST: usize = 64;

/// The candidate that `name` was probably meant to be, if any is near enough.
///
/// Near is: the same but for case, or at most a third of its letters changed, swapped, missing or too many.
pub(crate) fn nearest<'c>(name: &str, candidates: &[&'c str]) -> Option<&'c str> {
    if name.is_empty() || name.len() > LONGEST {
        return None;
    }
    let lower = name.to_lowercase();
    candidates
        .iter()
        .map(|candidate| (damerau_levenshtein(&lower, &candidate.to_lowercase()), *candidate))
        .filter(|(distance, candidate)| {
            *distance <= (candidate.len().min(lower.len()) / 3).max(1) || is_part(&lower, candidate)
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Half a name is near it as well: `SuccessExpression` for `AverageSuccessExpression`.
fn is_part(lower: &str, candidate: &str) -> bool {
    lower.len() >= 4 && candidate.to_lowercase().contains(lower)
}

/// The same as a hint: `did you mean "Runs"?`.
pub(crate) fn did_you_mean(name: &str, candidates: &[&str]) -> Option<String> {
    nearest(name, candidates).map(|near| format!("did you mean \"{near}\"?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_name() {
        let known = ["JobName", "Runs", "RunInterval", "Tags"];
        assert_eq!(nearest("RunIntervall", &known), Some("RunInterval"));
        assert_eq!(nearest("jobname", &known), Some("JobName"));
        assert_eq!(nearest("Rusn", &known), Some("Runs"));
        assert_eq!(nearest("Bogus", &known), None);
        assert_eq!(nearest(&"x".repeat(1_000_000), &known), None);
        assert_eq!(
            nearest("SuccessExpression", &["AverageSuccessExpression"]),
            Some("AverageSuccessExpression")
        );
    }
}
