//! What stands behind the `?` of a path. A name that is not known is an error: it is most likely a mistake, and what was
//! meant to narrow a list would not.

use std::str::FromStr;

use crate::http::problem::Problem;

/// Names and values, in order.
#[derive(Debug)]
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads a query that may hold these names.
    pub(super) fn read(query: Option<&str>, known: &[&str]) -> Result<Query, Problem> {
        let pairs: Vec<_> =
            form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
        match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => {
                let known = known.join(", ");
                Err(Problem::request(format!("there is no parameter '{name}' here; there are: {known}")))
            }
            None => Ok(Query(pairs)),
        }
    }

    /// All values of a name, also those between commas.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.each(name).flat_map(|value| value.split(',')).filter(|value| !value.is_empty())
    }

    /// All values of a name, as they stand.
    pub(super) fn each(&self, name: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The last value of a name.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().rfind(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The last value of a name, read.
    pub(super) fn value<T: FromStr>(&self, name: &str, what: &str) -> Result<Option<T>, Problem> {
        self.text(name).map(|text| parsed(name, text, what)).transpose()
    }
}

/// A value of a parameter.
pub(super) fn parsed<T: FromStr>(name: &str, text: &str, what: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::request(format!("{name}={text}: {what} is wanted")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_one_by_one_or_between_commas() {
        let query = Query::read(Some("tag=a,b&tag=c%20d&limit=5&limit=7"), &["tag", "limit"]).unwrap();
        assert_eq!(query.all("tag").collect::<Vec<_>>(), ["a", "b", "c d"]);
        assert_eq!(query.value::<u32>("limit", "a number").unwrap(), Some(7));
        assert!(query.value::<u32>("tag", "a number").is_err());
    }

    #[test]
    fn a_parameter_that_is_not_known_is_an_error() {
        let problem = Query::read(Some("tga=a"), &["tag"]).unwrap_err();
        assert_eq!(problem.detail, "there is no parameter 'tga' here; there are: tag");
    }
}
