//! A job by what a person types: its number, its uid, a guid of just one job, or `latest`.

use std::fmt::Write;

use oyez_model::JobId;
use oyez_store::Store;

use crate::error::CommandError;
use crate::show;

/// The one job that is meant.
///
/// # Errors
/// There is none, or there are several: then they are listed.
pub async fn one(store: &dyn Store, text: &str) -> Result<JobId, CommandError> {
    let found = store.find(text).await?;
    match found[..] {
        [id] => Ok(id),
        [] if text == "latest" => Err(CommandError::Usage(
            "there is no job in this store yet: `oyez run` and `oyez exec` make one".to_owned(),
        )),
        [] => Err(CommandError::Usage(format!(
            "there is no job '{text}': an ID is a job's number, its uid, a guid, or `latest`; `oyez list` shows them"
        ))),
        _ => {
            let mut out = format!("'{text}' is the guid of {} jobs; say which by its number:", found.len());
            for id in &found {
                let row = store.job(*id).await?.row;
                // Writing to a String does not fail.
                let _ = write!(
                    out,
                    "\n  {id:>6}  {:<10} {}  {}",
                    row.state,
                    show::moment(row.submitted),
                    row.name
                );
            }
            Err(CommandError::Usage(out))
        }
    }
}
