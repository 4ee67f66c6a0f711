//! What is asked of a job by others than its own process: a command at the store, another server. They write it into the
//! job's journal as producers of their own; here it is read and obeyed.

use std::sync::Arc;
use std::time::Duration;

use oyez_model::event::{Control as Verb, JobControl};
use oyez_model::{EventBody, EventSeq, JobId, ProducerId};
use oyez_store::Store;

use crate::control::{Asked, Control, Pause};
use crate::recorder::Recorder;

/// How often it is looked whether somebody else wrote into the journal.
const LOOK: Duration = Duration::from_secs(1);
/// Events that are read at once.
const PAGE: usize = 4096;

/// Obeys for ever what comes after the event `seen`; up to there so many were of others.
pub(super) async fn obey(
    store: Arc<dyn Store>,
    job: JobId,
    mut seen: EventSeq,
    mut foreign: u64,
    recorder: Recorder,
    control: Control,
) {
    loop {
        tokio::time::sleep(LOOK).await;
        // A store in trouble is the recorder's matter.
        let Ok(last) = store.wait(job, EventSeq(0), Duration::ZERO).await else { continue };
        if last.0 <= recorder.recorded() + foreign {
            continue;
        }
        let reading = store.reader(job).await;
        let Ok(reader) = reading else { continue };
        let from = seen;
        let read = tokio::task::spawn_blocking(move || {
            let (mut at, mut asked, mut others) = (from, Vec::new(), 0);
            loop {
                let events = reader.events_after(at, PAGE)?;
                let Some((last, _)) = events.last() else { return Ok((at, asked, others)) };
                at = *last;
                for (_, event) in events.into_iter().filter(|(_, event)| event.producer != ProducerId::FIRST)
                {
                    others += 1;
                    if let EventBody::JobControl(control) = event.body {
                        asked.push(control);
                    }
                }
            }
        });
        let Ok(Ok::<_, oyez_store::StoreError>((at, asked, others))) = read.await else { continue };
        (seen, foreign) = (at, foreign + others);
        asked.into_iter().for_each(|asked| do_it(&control, asked));
    }
}

/// Does what was asked, which stands in the journal already.
fn do_it(control: &Control, JobControl { verb, by, why }: JobControl) {
    let asked = Asked { by: Some(by), why, is_recorded: true };
    match verb {
        Verb::Cancel => control.cancel_by(asked),
        Verb::Kill => control.kill_by(asked),
        Verb::Pause => control.pause(Pause { asked, ..Pause::default() }),
        // It runs.
        Verb::Resume => {}
    }
}
