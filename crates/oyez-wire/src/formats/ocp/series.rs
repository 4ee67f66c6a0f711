//! A series of measurements that is open.

use oyez_model::SectionRef;
use oyez_model::event::SourceCut;

use super::events::Sink;

/// What is known of it so far.
#[derive(Debug)]
pub(super) struct OpenSeries {
    pub(super) name: String,
    pub(super) unit: Option<String>,
    pub(super) low: Option<f64>,
    pub(super) high: Option<f64>,
    pub(super) elements: u64,
    /// The sum of the elements' places: together with their number it tells whether each came once.
    pub(super) places: u128,
}

impl OpenSeries {
    /// What is missing of it, when its end says `total`.
    pub(super) fn missing(&self, total: Option<u64>) -> Option<String> {
        let (name, count) = (&self.name, self.elements);
        let total = total.unwrap_or(count);
        let whole = u128::from(total) * u128::from(total.saturating_sub(1)) / 2;
        if total != count {
            return Some(format!("{count} of {total} measurements of the series {name} came"));
        }
        (self.places != whole).then(|| format!("not each measurement of the series {name} came once"))
    }
}

/// A series whose end did not come may have lost anything after what is here.
pub(super) fn cut_series(id: SectionRef, open: impl Iterator<Item = OpenSeries>, out: Sink<'_>) {
    let mut names: Vec<String> = open.map(|series| series.name).collect();
    names.sort();
    for name in names {
        out(SourceCut { id, reason: format!("the series {name} has no end") }.into());
    }
}
