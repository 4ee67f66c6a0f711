//! What JSON and YAML have in common for a reader that goes through them once.

use oyez_model::Value;

use super::ImportError;

/// What comes next in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Map,
    List,
    Other,
}

/// A text of values, from its beginning to its end.
pub(super) trait Source {
    /// What comes next.
    fn next(&mut self) -> Result<Next, ImportError>;

    /// Goes into the map or list that comes next.
    fn enter(&mut self) -> Result<(), ImportError>;

    /// The next key of a map that was gone into; `None` leaves it. `first` starts as true.
    fn key(&mut self, first: &mut bool) -> Result<Option<Value>, ImportError>;

    /// Whether another item follows in a list that was gone into; if not, it is left. `first` starts as true.
    fn item(&mut self, first: &mut bool) -> Result<bool, ImportError>;

    /// All of the value that comes next, which stands this deep.
    fn value(&mut self, depth: usize) -> Result<Value, ImportError>;
}
