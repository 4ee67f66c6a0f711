//! A zip archive, unpacked into a folder that goes with its owner.

use std::fs::{self, File};
use std::io;
use std::path::Path;

/// Most files in an archive.
const MOST_FILES: usize = 100_000;
/// Most bytes that an archive unpacks to.
const MOST_BYTES: u64 = 16 << 30;

/// Unpacks `path`. Names that lead out of the folder are left out; so is everything that is no file.
///
/// # Errors
/// It is no archive, is damaged, or holds too much.
pub fn unpack(path: &Path) -> io::Result<tempfile::TempDir> {
    let mut archive = zip::ZipArchive::new(File::open(path)?).map_err(io::Error::other)?;
    if archive.len() > MOST_FILES {
        return Err(io::Error::other(format!("it holds {} files, more than {MOST_FILES}", archive.len())));
    }
    let folder = tempfile::Builder::new().prefix("oyez-import-").tempdir()?;
    let mut left = MOST_BYTES;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(io::Error::other)?;
        let Some(name) = entry.enclosed_name().filter(|_| entry.is_file()) else { continue };
        let to = folder.path().join(name);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        // What an archive says of its sizes need not be true.
        let taken = io::copy(&mut io::Read::take(&mut entry, left + 1), &mut File::create(to)?)?;
        left = left
            .checked_sub(taken)
            .ok_or_else(|| io::Error::other(format!("it unpacks to more than {} GiB", MOST_BYTES >> 30)))?;
    }
    Ok(folder)
}
