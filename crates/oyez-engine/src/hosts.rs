//! Files of targets, as `CSVFileTargetManager` reads them: one target a line, `ID,FQDN,IPv4,IPv6`, where all but the id
//! may be empty (specs/contest.md 4).

use std::collections::HashSet;
use std::net::IpAddr;

use csv::{ReaderBuilder, StringRecord, Trim};

use crate::fetch::read_file;
use crate::plan::CsvFile;
use crate::target::Target;

/// A file may have so many bytes,
const MOST_BYTES: u64 = 64 << 20;
/// and so many targets.
const MOST_TARGETS: usize = 1_000_000;

/// What a file offers.
#[derive(Debug)]
pub(crate) struct Hosts {
    /// The targets that are wanted, in the file's order.
    pub(crate) targets: Vec<Target>,
    /// How many lines name a target that stood there already; they are left out.
    pub(crate) repeated: usize,
}

/// Reads the file; blocks.
///
/// # Errors
/// ConTest's texts, with the line.
pub(crate) fn read(from: &CsvFile) -> Result<Hosts, String> {
    let bytes = read_file(&from.file, MOST_BYTES)?;
    let shown = from.file.display();
    let hosts =
        parse(&bytes, &from.prefixes).map_err(|(why, line)| format!("{why} ({shown}, line {line})"))?;
    let count = hosts.targets.len();
    if (count as u64) < u64::from(from.least) {
        let least = from.least;
        return Err(format!("not enough hosts found in CSV file '{shown}', want {least}, got {count}"));
    }
    Ok(hosts)
}

fn parse(bytes: &[u8], prefixes: &[String]) -> Result<Hosts, (String, u64)> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader =
        ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_reader(bytes);
    let mut record = StringRecord::new();
    let mut hosts = Hosts { targets: Vec::new(), repeated: 0 };
    let mut seen = HashSet::new();
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(hosts),
            Err(e) => return Err((told(&e), line)),
        }
        let line = record.position().map_or(line, csv::Position::line);
        let target = target(&record).map_err(|why| (why, line))?;
        if !is_wanted(&target, prefixes) {
            continue;
        }
        if !seen.insert(target.id.clone()) {
            hosts.repeated += 1;
            continue;
        }
        if hosts.targets.len() == MOST_TARGETS {
            return Err((format!("there are more than {MOST_TARGETS} targets"), line));
        }
        hosts.targets.push(target);
    }
}

/// Only text can go wrong: quotes and numbers of fields are all taken.
fn told(e: &csv::Error) -> String {
    match e.kind() {
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8 text".to_owned(),
        _ => e.to_string(),
    }
}

fn target(record: &StringRecord) -> Result<Target, String> {
    let fields: Vec<&str> = record.iter().collect();
    let [id, fqdn, ipv4, ipv6] = fields[..] else {
        return Err("malformed input file, need 4 entries per record (ID, FQDN, IPv4, IPv6)".to_owned());
    };
    if id.is_empty() {
        return Err("invalid empty string for host ID".to_owned());
    }
    let primary_ipv4 = address(ipv4).filter(|address| address.is_none_or(|address| address.is_ipv4()));
    let primary_ipv4 = primary_ipv4.ok_or_else(|| format!("invalid non-empty IPv4 address \"{ipv4}\""))?;
    // As in ConTest, any address may stand here: one of four bytes can be written in sixteen.
    let primary_ipv6 = address(ipv6).ok_or_else(|| format!("invalid non-empty IPv6 address \"{ipv6}\""))?;
    let (id, fqdn) = (id.to_owned(), fqdn.to_owned());
    Ok(Target { id, fqdn, primary_ipv4, primary_ipv6, manager_state: None })
}

/// An address, or none where nothing is said; `None` where what is said is no address.
fn address(text: &str) -> Option<Option<IpAddr>> {
    if text.is_empty() {
        return Some(None);
    }
    text.parse::<IpAddr>().ok().map(|address| Some(address.to_canonical()))
}

/// Prefixes are of a name's first label, so a target without a name has none of them.
fn is_wanted(target: &Target, prefixes: &[String]) -> bool {
    let label = target.fqdn.split('.').next().unwrap_or_default();
    prefixes.is_empty()
        || (!target.fqdn.is_empty() && prefixes.iter().any(|prefix| label.starts_with(prefix.as_str())))
}

/// Puts the targets in any order, each as likely as the others; `random` gives 64 random bits.
pub(crate) fn shuffle(targets: &mut [Target], mut random: impl FnMut() -> u64) {
    for last in (1..targets.len()).rev() {
        // The bias is at most a part in 2^44: there are fewer than 2^20 targets.
        let at = usize::try_from(random() % (last as u64 + 1)).unwrap_or(last);
        targets.swap(at, last);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, prefixes: &[&str]) -> Result<Vec<String>, (String, u64)> {
        let prefixes: Vec<_> = prefixes.iter().map(|p| (*p).to_owned()).collect();
        parse(text.as_bytes(), &prefixes).map(|h| h.targets.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn each_line_is_a_target() {
        let text = "\u{feff}123, h1.example.com ,1.2.3.4,\n\n\"4,5\",,,2001:db8::1\r\n123,again,,\n";
        let found = parse(text.as_bytes(), &[]).unwrap();
        let shown: Vec<_> = found.targets.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                r#"Target{ID: "123", FQDN: "h1.example.com", PrimaryIPv4: "1.2.3.4"}"#,
                r#"Target{ID: "4,5", PrimaryIPv6: "2001:db8::1"}"#,
            ]
        );
        assert_eq!(found.repeated, 1);
    }

    #[test]
    fn prefixes_are_those_of_the_first_label_and_count_once() {
        let text = "1,web1.a,,\n2,db1.web,,\n3,,,\n";
        assert_eq!(read(text, &["web", "we"]).unwrap(), [r#"Target{ID: "1", FQDN: "web1.a"}"#]);
        assert_eq!(read(text, &["x"]).unwrap(), [""; 0]);
    }

    #[test]
    fn what_is_wrong_is_said_in_contests_words_with_its_line() {
        let refused = |text: &str| read(text, &[]).unwrap_err();
        let malformed = "malformed input file, need 4 entries per record (ID, FQDN, IPv4, IPv6)";
        assert_eq!(refused("1,a,,\n2,b\n"), (malformed.to_owned(), 2));
        assert_eq!(refused(" ,a,,\n"), ("invalid empty string for host ID".to_owned(), 1));
        assert_eq!(refused("1,a,::1,\n").0, "invalid non-empty IPv4 address \"::1\"");
        assert_eq!(refused("1,a,,x\n").0, "invalid non-empty IPv6 address \"x\"");
        assert_eq!(parse(b"1,a,,\n\xff,,,\n", &[]).unwrap_err().0, "it is not UTF-8 text");
    }

    #[test]
    fn too_few_targets_are_an_error_that_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hosts.csv");
        std::fs::write(&file, "1,a,,\n").unwrap();
        let shown = file.display().to_string();
        let from = CsvFile { file, least: 200, most: 300, prefixes: Vec::new(), shuffle: false };
        let expected = format!("not enough hosts found in CSV file '{shown}', want 200, got 1");
        assert_eq!(super::read(&from).unwrap_err(), expected);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _either = parse(&bytes, &[]);
        }

        #[test]
        fn shuffling_loses_nobody(count in 0_usize..50, seed in any::<u64>()) {
            let mut targets: Vec<_> =
                (0..count).map(|i| Target { id: i.to_string(), ..Target::default() }).collect();
            let mut state = seed;
            shuffle(&mut targets, || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state >> 20
            });
            let ids: HashSet<_> = targets.into_iter().map(|target| target.id).collect();
            prop_assert_eq!(ids.len(), count);
        }
    }
}
