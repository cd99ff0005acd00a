//! What was found side by side: as JSON, and as a page in Markdown.

use std::fs;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::Error;
use super::about::About;
use super::contender::{Contender, OURS};
use super::field::Figure;
use super::goals::GOALS;
use super::growth::{self, Growth};
use super::picture;
use super::report::Unit;

/// What the page says of itself.
const HEAD: &str = "\
# Performance, side by side

mcp-tether, other bridges and HTTP without a bridge, with the same client, server and work, taking turns in one run,
which writes this page. The client reads lines and does not parse them (without a bridge it counts the notifications of
a burst and looks into none), the server's answers are made beforehand: what is left is the bridge. A dash stands for
what does not apply; what could not be measured, or would have taken more than a minute a call, has its reason. Bridges
that write messages anew (other bytes, other ids) are measured all the same.
";

/// What a run has found, and where it is kept.
pub struct Findings {
    /// The ways, in the order of all values.
    pub names: Vec<&'static str>,
    pub figures: Vec<Figure>,
    /// What is still to be measured.
    pub missing: Vec<&'static str>,
    about: About,
    folder: Option<PathBuf>,
}

impl Findings {
    /// Nothing so far. With a folder everything is written there as soon as it is known.
    pub fn new(contenders: &[Contender], about: About, folder: Option<PathBuf>) -> Findings {
        let names = std::iter::once("direct").chain(contenders.iter().map(|one| one.name));
        Findings { names: names.collect(), figures: Vec::new(), missing: Vec::new(), about, folder }
    }

    /// Adds a figure. It is written at once: a run that is interrupted leaves what it has.
    pub fn note(&mut self, figure: Figure) -> Result<(), Error> {
        self.figures.push(figure);
        if self.folder.is_some() { self.write() } else { Ok(()) }
    }

    /// Writes the page, the JSON and the picture into the folder, or prints the page.
    pub fn write(&self) -> Result<(), Error> {
        let growth = growth::of(&self.figures);
        let Some(folder) = &self.folder else {
            print!("{}", self.markdown(&growth));
            return Ok(());
        };
        fs::write(folder.join("performance.md"), self.markdown(&growth))?;
        let json = self.json(&growth);
        fs::write(folder.join("performance.json"), format!("{json:#}\n"))?;
        Ok(fs::write(folder.join("performance.svg"), picture::svg(&self.names, &self.figures))?)
    }

    fn ours(&self) -> Option<usize> {
        self.names.iter().position(|name| *name == OURS)
    }

    /// Everything as one object; times in seconds, sizes in bytes.
    fn json(&self, growth: &[Growth]) -> Value {
        let named = |values: &mut dyn Iterator<Item = Value>| {
            let names = self.names.iter().map(|name| (*name).to_owned());
            Value::Object(names.zip(values).collect::<Map<_, _>>())
        };
        let figures = self.figures.iter().map(|figure| {
            let mut values = figure.values.iter().map(|value| match value {
                Ok(value) => json!(value),
                Err(why) if why.is_empty() => Value::Null,
                Err(why) => json!({ "none": why }),
            });
            json!({
                "section": figure.section,
                "name": figure.name,
                "unit": figure.unit.name(),
                "values": named(&mut values),
            })
        });
        let goals = GOALS.iter().map(|goal| {
            let measured = goal.measured(&self.figures, self.ours());
            json!({
                "name": goal.figure,
                "measured": measured,
                "goal": goal.goal.json(),
                "met": measured.map(|value| goal.goal.met(value)),
                "aim": goal.aim.json(),
                "aimMet": measured.map(|value| goal.aim.met(value)),
            })
        });
        let growth = growth.iter().map(|growth| {
            let mut fits = growth.fits.iter().map(|fit| match fit {
                Some(fit) => json!({
                    "slope": fit.slope,
                    "base": fit.base,
                    "fit": fit.fit,
                    "exponent": fit.exponent,
                }),
                None => Value::Null,
            });
            json!({
                "name": growth.name,
                "slopeUnit": growth.cost.slope(),
                "fits": named(&mut fits),
            })
        });
        json!({
            "about": self.about.json(),
            "missing": self.missing,
            "goals": goals.collect::<Vec<_>>(),
            "figures": figures.collect::<Vec<_>>(),
            "growth": growth.collect::<Vec<_>>(),
        })
    }

    /// The page.
    fn markdown(&self, growth: &[Growth]) -> String {
        let mut page = format!("{HEAD}\n{}", self.about.markdown());
        if !self.missing.is_empty() {
            page +=
                &format!("\nThe run has not ended; not complete: {}.\n", self.missing.join(", "));
        }
        page += &self.goals();
        page += "\n![the main figures](performance.svg)\n";
        let head = format!(
            "\n| | {} |\n| --- |{}\n",
            self.names.join(" | "),
            " --: |".repeat(self.names.len())
        );
        let mut section = "";
        for figure in &self.figures {
            if figure.section != section {
                section = figure.section;
                page += &format!("\n## {section}\n{head}");
            }
            let cells = figure.values.iter().map(|value| cell(figure.unit, value));
            page += &row(&figure.name, cells);
        }
        page += "\n## Growth\n\n\
                 A line by least squares through the figures above: its slope, and how well it fits (R²); and the exponent of a\n\
                 power through the same points: 1 is linear growth. A dash stands for less than three points.\n";
        page += &head;
        for growth in growth {
            let cells = growth
                .fits
                .iter()
                .map(|fit| fit.map_or("–".to_owned(), |fit| growth.cost.show(fit)));
            page += &row(&growth.name, cells);
        }
        page
    }

    fn goals(&self) -> String {
        let mut text = "\n## Goals\n\n\
             What the project promises (goal) and where it wants to be (aim), on a quiet machine with two cores. \"+\" is what the\n\
             bridge adds to HTTP without one, \"x\" how much it reaches of that, in this run.\n\n\
             | | measured | goal | | aim | |\n| --- | --: | --: | --- | --: | --- |\n"
            .to_owned();
        let verdict = |met: Option<bool>| match met {
            Some(true) => "met",
            Some(false) => "not met",
            None => "not measured",
        };
        for goal in GOALS {
            let measured = goal.measured(&self.figures, self.ours());
            let cells = [
                measured.map_or("–".to_owned(), |value| goal.goal.show(goal.unit, value)),
                goal.goal.limit(goal.unit).replace("<=", "≤").replace(">=", "≥"),
                verdict(measured.map(|value| goal.goal.met(value))).to_owned(),
                goal.aim.limit(goal.unit).replace("<=", "≤").replace(">=", "≥"),
                verdict(measured.map(|value| goal.aim.met(value))).to_owned(),
            ];
            text += &row(goal.figure, cells);
        }
        text
    }
}

fn row(name: &str, cells: impl IntoIterator<Item = String>) -> String {
    format!("| {name} | {} |\n", cells.into_iter().collect::<Vec<_>>().join(" | "))
}

fn cell(unit: Unit, value: &Result<f64, String>) -> String {
    match value {
        Ok(value) => unit.show(*value),
        Err(why) if why.is_empty() => "–".to_owned(),
        Err(why) => why.replace('|', "/").replace('<', "&lt;"),
    }
}
