//! Writing the documents of a job: into a folder, and into the summary of a CI run.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use oyez_model::JobId;
use oyez_report::{Format, Options};
use oyez_store::{JobReader, Store};

use crate::error::CommandError;

/// Writes documents into the folder `out`; each file appears whole or not at all.
///
/// # Errors
/// A file cannot be written, or the store cannot be read.
pub fn write_all(
    reader: &dyn JobReader,
    formats: &[Format],
    out: &Path,
    options: &Options<'_>,
) -> Result<(), CommandError> {
    make_folder(out)?;
    let mut files = Vec::new();
    for format in formats.iter().copied() {
        let path = out.join(format!(".{}.part", format.file_name()));
        let file = File::create(&path).map_err(|source| trouble("cannot write", &path, source))?;
        files.push((format, path, BufWriter::with_capacity(1 << 16, file)));
    }
    let mut outputs: Vec<(Format, &mut dyn Write)> =
        files.iter_mut().map(|(format, _, file)| (*format, file as &mut dyn Write)).collect();
    oyez_report::write_reports(reader, &mut outputs, options)?;
    for (format, part, file) in files {
        let path = out.join(format.file_name());
        file.into_inner().map_err(|e| trouble("cannot write", &path, e.into_error()))?;
        fs::rename(&part, &path).map_err(|source| trouble("cannot write", &path, source))?;
    }
    Ok(())
}

/// Writes a document that comes from elsewhere into a file, which appears whole or not at all.
///
/// # Errors
/// It cannot be read to its end, or not be written.
pub fn copy(mut from: impl std::io::Read, path: &Path) -> Result<(), CommandError> {
    let mut write = || {
        let folder = path.parent().unwrap_or(Path::new("."));
        let mut part = tempfile::NamedTempFile::new_in(folder)?;
        std::io::copy(&mut from, &mut part)?;
        // As any other file that a command makes, not for its user alone.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        part.as_file().set_permissions(mode)?;
        part.persist(path).map_err(|e| e.error).map(|_| ())
    };
    write().map_err(|source| trouble("cannot write", path, source))
}

/// Makes the folder for documents, so that a mistake is found before anything runs.
///
/// # Errors
/// It cannot be made.
pub fn make_folder(out: &Path) -> Result<(), CommandError> {
    fs::create_dir_all(out).map_err(|source| trouble("cannot make the folder", out, source))
}

fn trouble(what: &'static str, path: &Path, source: std::io::Error) -> CommandError {
    CommandError::File { what, path: path.to_owned(), source }
}

/// In a CI run that shows summaries (`GITHUB_STEP_SUMMARY` names a file): appends this job's.
///
/// # Errors
/// The file cannot be written, or the store cannot be read.
pub fn append_step_summary(reader: &dyn JobReader) -> Result<(), CommandError> {
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|p| !p.is_empty()).map(PathBuf::from)
    else {
        return Ok(());
    };
    let mut text = Vec::new();
    oyez_report::write_report(reader, Format::Markdown, &mut text, &Options::default())?;
    text.push(b'\n');
    let write = || File::options().append(true).create(true).open(&path)?.write_all(&text);
    write().map_err(|source| trouble("cannot append to the step summary", &path, source))
}

/// Runs `work` with a reader of a job on a thread that may block.
///
/// # Errors
/// The store cannot be read, or `work` says so.
pub async fn with_reader<T: Send + 'static>(
    store: &dyn Store,
    job: JobId,
    work: impl FnOnce(&dyn JobReader) -> Result<T, CommandError> + Send + 'static,
) -> Result<T, CommandError> {
    let reader = store.reader(job).await?;
    tokio::task::spawn_blocking(move || work(&*reader))
        .await
        .map_err(|e| CommandError::Runtime(std::io::Error::other(e)))?
}
