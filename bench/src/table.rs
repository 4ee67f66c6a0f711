//! Results: what was measured, what was promised, and whether it holds.

/// Lines of results, printed as they come and once more at the end.
#[derive(Debug, Default)]
pub struct Table {
    lines: Vec<String>,
    missed: usize,
}

impl Table {
    /// Something that must be at least so much.
    pub fn at_least(&mut self, what: &str, got: f64, want: f64, unit: &str) {
        self.line(what, got, ">=", want, unit, got >= want);
    }

    /// Something that must be at most so much.
    pub fn at_most(&mut self, what: &str, got: f64, want: f64, unit: &str) {
        self.line(what, got, "<=", want, unit, got <= want);
    }

    /// Something worth knowing that nothing is promised of.
    pub fn note(&mut self, what: &str, got: f64, unit: &str) {
        self.push(format!("      {what:<64} {:>14} {unit}", number(got)));
    }

    fn line(&mut self, what: &str, got: f64, sign: &str, want: f64, unit: &str, good: bool) {
        self.missed += usize::from(!good);
        let mark = if good { "ok  " } else { "MISS" };
        self.push(format!(
            "{mark}  {what:<64} {:>14} {unit}   (wanted {sign} {})",
            number(got),
            number(want)
        ));
    }

    fn push(&mut self, line: String) {
        println!("{line}");
        self.lines.push(line);
    }

    /// All lines again.
    pub fn print(&self) {
        println!("\n== all results");
        for line in &self.lines {
            println!("{line}");
        }
        println!("{} missed", self.missed);
    }
}

fn number(n: f64) -> String {
    if n >= 1000.0 {
        let whole = format!("{n:.0}");
        let head = whole.len() % 3;
        let mut out = whole[..head].to_owned();
        for part in whole.as_bytes()[head..].chunks(3) {
            if !out.is_empty() {
                out.push(',');
            }
            out.push_str(&String::from_utf8_lossy(part));
        }
        out
    } else {
        format!("{n:.2}")
    }
}
