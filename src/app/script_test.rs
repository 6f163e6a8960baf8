//! `--script-test`: recorded cases of scripts, replayed strictly, and what they say compared with what they shall say.

mod case;
mod difference;

use super::scripts::Engine;
use super::{inputs, print, privileges};
use crate::cli::{PrivilegeSettings, ScriptTest};
use crate::error::{Error, ExitCode};
use crate::report;
use crate::script::selection::select;

use case::{Case, Outcome};

/// Runs the cases asked for, prints a line for each, and what is different.
pub fn run(request: &ScriptTest) -> Result<ExitCode, Error> {
    privileges::settle(PrivilegeSettings::default())?; // read as the user who called sudo
    let (mut count, mut failed) = (0, 0);
    for script in chosen(request)? {
        for name in inputs::folders(&request.cases.join(&script))? {
            let case = Case { script: script.clone(), name, folder: request.cases.clone() };
            count += 1;
            failed += usize::from(!tell(&case, &case.run(request))?);
        }
    }
    if count == 0 {
        let (dir, expression) = (request.cases.display(), request.select.join(","));
        return Err(Error::Usage(format!(
            "--script-test {expression}: no case in {dir}; --script-test-dir names another"
        )));
    }
    print(&format!("{count} cases, {failed} failed"))?;
    Ok(if failed == 0 { ExitCode::Complete } else { ExitCode::Different })
}

/// The scripts with cases that the expressions choose. A folder of a script that is not there is a fault only if all are
/// asked for.
fn chosen(request: &ScriptTest) -> Result<Vec<String>, Error> {
    let folders = inputs::folders(&request.cases)?;
    if request.select.is_empty() {
        return Ok(folders);
    }
    let mut engine = Engine::new(&request.dirs)?;
    let selected = select(&request.select, &mut engine.catalogue)?;
    engine.mention_broken();
    Ok(folders.into_iter().filter(|folder| selected.iter().any(|one| one.script.id == *folder)).collect())
}

/// Prints what came of a case; whether that is good.
fn tell(case: &Case, outcome: &Result<Outcome, Error>) -> Result<bool, Error> {
    let (word, lines) = match outcome {
        Ok(Outcome::Same) => ("ok      ", Vec::new()),
        Ok(Outcome::Accepted) => ("accepted", Vec::new()),
        Ok(Outcome::Different(lines)) => ("FAILED  ", lines.clone()),
        Err(error) => ("BROKEN  ", error.to_string().lines().map(str::to_owned).collect()),
    };
    let mut text = format!("{word} {}/{}", case.script, case.name);
    for line in &lines {
        text.push_str("\n    ");
        text.push_str(line);
    }
    print(&report::terminal_lines(&text))?;
    Ok(lines.is_empty())
}
