//! The table that is printed, in Markdown so that it can be pasted into `docs/BENCHMARKS.md`.

use std::fmt;

use super::figures::Series;

/// The rows measured so far.
#[derive(Default)]
pub struct Table {
    rows: Vec<[String; COLUMNS.len()]>,
}

const COLUMNS: [&str; 7] = ["work", "who", "min", "median", "max", "goal", ""];

/// What a figure should be; judged on the median.
pub enum Goal<'a> {
    /// At most this much, in the unit of the series.
    AtMost(f64),
    /// At least this much.
    AtLeast(f64),
    /// At most so many times another series.
    Times(f64, &'a Series),
    /// There is none.
    None,
}

impl Table {
    /// Adds what `who` needed for `work`.
    pub fn row(&mut self, work: &str, who: &str, series: &Series, goal: &Goal<'_>) {
        let show = |value| series.show(value);
        let (goal, verdict) = match goal {
            Goal::AtMost(most) => (format!("<= {}", show(*most)), verdict(series.median() <= *most)),
            Goal::AtLeast(least) => (format!(">= {}", show(*least)), verdict(series.median() >= *least)),
            Goal::Times(most, anchor) => {
                let ratio = series.median() / anchor.median();
                (format!("<= {most}x"), format!("{ratio:.2}x: {}", verdict(ratio <= *most)))
            }
            Goal::None => (String::new(), String::new()),
        };
        let cells =
            [work.to_owned(), who.to_owned(), show(series.min()), show(series.median()), show(series.max()), goal];
        let [work, who, min, median, max, goal] = cells;
        self.rows.push([work, who, min, median, max, goal, verdict]);
    }

    /// Adds how many times the median of `anchor` the median of `series` is, and how many times it should be.
    pub fn ratio(&mut self, work: &str, who: &str, series: &Series, anchor: &Series, least: Option<f64>) {
        let ratio = series.median() / anchor.median();
        let mut row: [String; COLUMNS.len()] = Default::default();
        (row[0], row[1], row[3]) = (work.to_owned(), who.to_owned(), format!("{ratio:.2}x"));
        if let Some(least) = least {
            (row[5], row[6]) = (format!(">= {least}x"), verdict(ratio >= least));
        }
        self.rows.push(row);
    }

    /// Adds a sentence about the row above.
    pub fn remark(&mut self, work: &str, who: &str, text: &str) {
        let mut row: [String; COLUMNS.len()] = Default::default();
        (row[0], row[1], row[6]) = (work.to_owned(), who.to_owned(), text.to_owned());
        self.rows.push(row);
    }
}

fn verdict(met: bool) -> String {
    if met { "met".to_owned() } else { "MISSED".to_owned() }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header = COLUMNS.map(str::to_owned);
        let all = || std::iter::once(&header).chain(&self.rows);
        let mut widths = [3; COLUMNS.len()];
        for row in all() {
            widths.iter_mut().zip(row).for_each(|(width, cell)| *width = (*width).max(cell.chars().count()));
        }
        for (index, row) in all().enumerate() {
            let cells = row.iter().zip(widths).map(|(cell, width)| format!(" {cell:width$} |"));
            writeln!(f, "|{}", cells.collect::<String>())?;
            if index == 0 {
                let rules = widths.iter().map(|width| format!("-{}-|", "-".repeat(*width)));
                writeln!(f, "|{}", rules.collect::<String>())?;
            }
        }
        Ok(())
    }
}
