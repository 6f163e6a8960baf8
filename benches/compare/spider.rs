//! One crawler over 2,000 pages of one server: sonde's `http-sitemap-generator` beside nmap's.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use super::figures::{Series, Unit};
use super::nginx::Nginx;
use super::process::Program;
use super::table::{Goal, Table};
use super::{Bench, Failure};

const ROUNDS: usize = 5;
const PAGES: usize = 2000;
/// Folders of the site; the first has a page less, to make room for the page that links to them all.
const SECTIONS: usize = 40;
const PER_SECTION: usize = PAGES / SECTIONS;
const WORK: &str = "the same crawl over 2,000 pages";

pub fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    let folder = bench.folder().join("site");
    build(&folder.join("www"))?;
    let nginx = Nginx::start_logging(&folder)?;
    let port = nginx.port().to_string();
    let arguments =
        ["max-pages=2000", "maxpagecount=2000"].map(|argument| format!("http-sitemap-generator.{argument}"));
    // Past its rule: nmap's looks at ports 80 and 443 only. Its cache would hold half the site, which costs it time.
    let larger = format!("{},http.max-cache-size=100000000", arguments[1]);
    let script = ["-n", "-Pn", "-p", &port, "--script", "+http-sitemap-generator", "127.0.0.1", "--script-args"];
    let mut programs = vec![bench.sonde(script.into_iter().chain([arguments[0].as_str()]))];
    programs.extend(bench.nmap(script.into_iter().chain([larger.as_str(), "-sT"])));

    let mut times = vec![Series::new(Unit::Seconds); programs.len()];
    for round in 0..=ROUNDS {
        for (program, series) in programs.iter().zip(&mut times) {
            let ran = crawl(program, bench.folder(), &folder.join("access.log"))?;
            if round > 0 {
                series.push_time(ran); // the first is for warmth
            }
        }
    }
    for (program, series) in programs.iter().zip(&times) {
        table.row(WORK, program.who, series, &Goal::None);
    }
    if let [sonde, nmap] = &times[..] {
        table.ratio(WORK, "nmap, to sonde", nmap, sonde, Some(5.0));
    }
    table.remark(WORK, "everybody", "all 2,000 pages asked for, by nginx's log, in every run");
    Ok(())
}

/// One run; an error unless it asked for every page.
fn crawl(program: &Program, folder: &Path, log: &Path) -> Result<std::time::Duration, Failure> {
    fs::write(log, "")?; // nginx appends to it
    let ran = program.run(folder)?;
    let log = fs::read_to_string(log)?;
    let served: HashSet<&str> = log.lines().filter_map(|line| line.strip_prefix("200 ")).collect();
    if served.len() == PAGES {
        return Ok(ran.wall);
    }
    Err(format!("{} asked for {} pages, not {PAGES}:\n{}", program.who, served.len(), ran.stdout).into())
}

/// A page that links to 40 others, one a folder; those link to the pages of their folder, and these to their neighbours.
fn build(www: &Path) -> Result<(), Failure> {
    let sections: Vec<String> = (0..SECTIONS).map(|section| path(section, 0)).collect();
    fs::create_dir_all(www)?;
    fs::write(www.join("index.html"), page("Start", &sections))?;
    for section in 0..SECTIONS {
        fs::create_dir(www.join(format!("s{section}")))?;
        let count = if section == 0 { PER_SECTION - 1 } else { PER_SECTION };
        for number in 0..count {
            let others = if number == 0 { 1..count } else { number - 1..(number + 2).min(count) };
            let links: Vec<String> =
                others.map(|other| path(section, other)).chain(["/".to_owned(), path(section, 0)]).collect();
            let own = path(section, number);
            fs::write(www.join(own.trim_start_matches('/')), page(&own, &links))?;
        }
    }
    Ok(())
}

fn path(section: usize, number: usize) -> String {
    format!("/s{section}/{number}.html")
}

/// About 2 KB of text.
fn page(title: &str, links: &[String]) -> String {
    let links: Vec<String> = links.iter().map(|link| format!("<li><a href=\"{link}\">{link}</a></li>\n")).collect();
    let links = links.concat();
    let text = "<p>All work and no play makes a dull page, which is read none the less.</p>\n".repeat(22);
    format!(
        "<!DOCTYPE html>\n<html><head><title>{title}</title></head>\n<body>\n<ul>\n{links}</ul>\n{text}</body></html>\n"
    )
}
