//! Which documents there are.

use std::fmt;
use std::str::FromStr;

/// A kind of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// Everything, in our own schema (`docs/schemas/oyez-report-1.schema.json`).
    Json,
    /// JUnit XML, as Jenkins' xUnit plugin takes it.
    Junit,
    /// A summary for pull requests and CI pages: GitHub flavoured Markdown below 65,535 bytes.
    Markdown,
    /// One offline page with everything in it.
    Html,
    /// Common Test Report Format, <https://ctrf.io>.
    Ctrf,
    /// Test Anything Protocol, version 14.
    Tap,
    /// `results.json` of pyATS, results format 3.4.
    PyatsJson,
    /// `results.yaml` of pyATS.
    PyatsYaml,
    /// `ResultsDetails.xml` of pyATS; [`Format::PyatsSummary`] belongs to it.
    PyatsXml,
    /// `ResultsSummary.xml` of pyATS.
    PyatsSummary,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 10] = [
        Format::Json,
        Format::Junit,
        Format::Markdown,
        Format::Html,
        Format::Ctrf,
        Format::Tap,
        Format::PyatsJson,
        Format::PyatsYaml,
        Format::PyatsXml,
        Format::PyatsSummary,
    ];

    /// The documents that a job leaves beside it when nothing else is asked for.
    pub const USUAL: [Format; 4] = [Format::Json, Format::Junit, Format::Markdown, Format::Html];

    /// What it is called on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Junit => "junit",
            Format::Markdown => "markdown",
            Format::Html => "html",
            Format::Ctrf => "ctrf",
            Format::Tap => "tap",
            Format::PyatsJson => "pyats-json",
            Format::PyatsYaml => "pyats-yaml",
            Format::PyatsXml => "pyats-xml",
            Format::PyatsSummary => "pyats-summary",
        }
    }

    /// Whether it is one of pyATS's files, which are made from the journal and not from rows.
    pub(crate) const fn is_pyats(self) -> bool {
        matches!(self, Format::PyatsJson | Format::PyatsYaml | Format::PyatsXml | Format::PyatsSummary)
    }

    /// What its file is called in an output folder.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Format::Json => "report.json",
            Format::Junit => "junit.xml",
            Format::Markdown => "summary.md",
            Format::Html => "report.html",
            Format::Ctrf => "ctrf.json",
            Format::Tap => "report.tap",
            Format::PyatsJson => "results.json",
            Format::PyatsYaml => "results.yaml",
            Format::PyatsXml => "ResultsDetails.xml",
            Format::PyatsSummary => "ResultsSummary.xml",
        }
    }

    /// The extension of its files, without the dot.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Format::Json | Format::Ctrf | Format::PyatsJson => "json",
            Format::Junit | Format::PyatsXml | Format::PyatsSummary => "xml",
            Format::PyatsYaml => "yaml",
            Format::Markdown => "md",
            Format::Html => "html",
            Format::Tap => "tap",
        }
    }

    /// Its media type, for HTTP.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Format::Json | Format::Ctrf | Format::PyatsJson => "application/json",
            Format::Junit | Format::PyatsXml | Format::PyatsSummary => "application/xml",
            Format::PyatsYaml => "application/yaml",
            Format::Markdown => "text/markdown; charset=utf-8",
            Format::Html => "text/html; charset=utf-8",
            Format::Tap => "text/plain; charset=utf-8",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = String;

    /// Takes a name, in any case; `md`, `xml` and `summary` are taken too.
    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        let name = match lower.as_str() {
            "md" | "summary" => "markdown",
            "xml" => "junit",
            other => other,
        };
        Format::ALL.into_iter().find(|f| f.name() == name).ok_or_else(|| {
            let known = Format::ALL.map(Format::name).join(", ");
            format!("'{text}' is not a format of reports; one of: {known}")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Format;

    #[test]
    fn a_format_reads_back_from_its_name() {
        for format in Format::ALL {
            assert_eq!(format.name().to_uppercase().parse::<Format>().unwrap(), format);
        }
        assert_eq!("md".parse::<Format>().unwrap(), Format::Markdown);
        assert!("pdf".parse::<Format>().unwrap_err().contains("junit"));
    }
}
