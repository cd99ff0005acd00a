//! What was measured, next to what was aimed at: as a table, or as JSON.

use serde_json::{Value, json};

use super::process;

/// What a value is counted in. Times are kept in seconds, sizes in bytes.
#[derive(Clone, Copy)]
pub enum Unit {
    Milliseconds,
    Microseconds,
    PerSecond,
    BytesPerSecond,
    Mebibytes,
    Percent,
    Count,
}

impl Unit {
    /// The value as people read it.
    pub fn show(self, value: f64) -> String {
        match self {
            Unit::Milliseconds => format!("{} ms", short(value * 1e3)),
            Unit::Microseconds if value.abs() < 1e-6 => format!("{:.0} ns", value * 1e9),
            Unit::Microseconds => format!("{} µs", short(value * 1e6)),
            Unit::PerSecond => thousands(value),
            Unit::BytesPerSecond => format!("{} MB/s", short(value / 1e6)),
            Unit::Mebibytes => format!("{} MiB", short(value / f64::from(1024 * 1024))),
            Unit::Percent => format!("{value:.0} %"),
            Unit::Count => thousands(value),
        }
    }

    /// Whether it counts how much is done in a time.
    pub fn is_rate(self) -> bool {
        matches!(self, Unit::PerSecond | Unit::BytesPerSecond)
    }

    /// What the value is counted in.
    pub fn name(self) -> &'static str {
        match self {
            Unit::Milliseconds | Unit::Microseconds => "s",
            Unit::PerSecond => "1/s",
            Unit::BytesPerSecond => "bytes/s",
            Unit::Mebibytes => "bytes",
            Unit::Percent => "%",
            Unit::Count => "1",
        }
    }
}

/// What the project aims at, on a quiet machine with two cores.
#[derive(Clone, Copy)]
pub enum Target {
    /// Nothing is aimed at.
    None,
    /// The bridged value.
    AtMost(f64),
    /// The bridged value.
    AtLeast(f64),
    /// The difference between bridged and direct.
    AddsAtMost(f64),
    /// Bridged divided by direct.
    RatioAtLeast(f64),
}

impl Target {
    /// What is compared with the limit.
    pub fn measured(self, direct: Option<f64>, bridged: Option<f64>) -> Option<f64> {
        match self {
            Target::None => None,
            Target::AtMost(_) | Target::AtLeast(_) => bridged,
            Target::AddsAtMost(_) => Some(bridged? - direct?),
            Target::RatioAtLeast(_) => Some(bridged? / direct?),
        }
    }

    /// Whether it is met by what [`Target::measured`] gave.
    pub fn met(self, measured: f64) -> bool {
        match self {
            Target::None => true,
            Target::AtMost(limit) | Target::AddsAtMost(limit) => measured <= limit,
            Target::AtLeast(limit) | Target::RatioAtLeast(limit) => measured >= limit,
        }
    }

    /// A value of its kind as people read it.
    pub fn show(self, unit: Unit, value: f64) -> String {
        match self {
            Target::AddsAtMost(_) => added(unit, value),
            Target::RatioAtLeast(_) => format!("{value:.2} x"),
            Target::None | Target::AtMost(_) | Target::AtLeast(_) => unit.show(value),
        }
    }

    /// The limit as people read it.
    pub fn limit(self, unit: Unit) -> String {
        match self {
            Target::None => String::new(),
            Target::AtMost(limit) | Target::AddsAtMost(limit) => {
                format!("<= {}", self.show(unit, limit))
            }
            Target::AtLeast(limit) | Target::RatioAtLeast(limit) => {
                format!(">= {}", self.show(unit, limit))
            }
        }
    }

    /// The limit under the name of its kind.
    pub fn json(self) -> Value {
        match self {
            Target::None => Value::Null,
            Target::AtMost(limit) => json!({ "bridgedAtMost": limit }),
            Target::AtLeast(limit) => json!({ "bridgedAtLeast": limit }),
            Target::AddsAtMost(limit) => json!({ "addedAtMost": limit }),
            Target::RatioAtLeast(limit) => json!({ "ratioAtLeast": limit }),
        }
    }
}

fn added(unit: Unit, value: f64) -> String {
    format!("{}{}", if value < 0.0 { "" } else { "+" }, unit.show(value))
}

/// One line of the report.
#[derive(Clone, Copy)]
pub struct Row {
    name: &'static str,
    unit: Unit,
    direct: Option<f64>,
    bridged: Option<f64>,
    target: Target,
}

impl Row {
    pub fn new(name: &'static str, unit: Unit) -> Row {
        Row { name, unit, direct: None, bridged: None, target: Target::None }
    }

    pub fn direct(self, value: f64) -> Row {
        Row { direct: Some(value), ..self }
    }

    pub fn bridged(self, value: f64) -> Row {
        Row { bridged: Some(value), ..self }
    }

    pub fn target(self, target: Target) -> Row {
        Row { target, ..self }
    }

    /// Multiplies the values, which are then counted in `unit`.
    pub fn scale(&mut self, factor: f64, unit: Unit) {
        self.unit = unit;
        for value in [&mut self.direct, &mut self.bridged].into_iter().flatten() {
            *value *= factor;
        }
    }

    fn ratio(&self) -> Option<f64> {
        Some(self.bridged? / self.direct?)
    }

    fn added(&self) -> Option<f64> {
        Some(self.bridged? - self.direct?)
    }

    /// Whether the target is met; `None` without a target or without a value.
    fn met(&self) -> Option<bool> {
        Some(self.target.met(self.target.measured(self.direct, self.bridged)?))
    }

    fn cells(&self) -> [String; 6] {
        let show = |value: Option<f64>| value.map_or("-".to_owned(), |value| self.unit.show(value));
        let compared = match (self.target, self.unit) {
            (Target::AddsAtMost(_), _) | (_, Unit::Microseconds) => {
                self.added().map(|value| added(self.unit, value))
            }
            _ => self.ratio().map(|ratio| format!("{ratio:.2} x")),
        };
        let target = self.target.limit(self.unit);
        let verdict = match (self.met(), self.target) {
            (Some(true), _) => "met",
            (Some(false), _) => "MISSED",
            (None, Target::None) => "",
            (None, _) => "not measured",
        };
        let name = self.name.to_owned();
        [
            name,
            show(self.direct),
            show(self.bridged),
            compared.unwrap_or_default(),
            target,
            verdict.to_owned(),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "unit": self.unit.name(),
            "direct": self.direct,
            "bridged": self.bridged,
            "added": self.added(),
            "ratio": self.ratio(),
            "target": self.target.json(),
            "met": self.met(),
        })
    }
}

/// The rows as an aligned table.
pub fn table(rows: &[Row]) -> String {
    let mut cells =
        vec![["measure", "direct", "bridged", "compared", "target", ""].map(str::to_owned)];
    cells.extend(rows.iter().map(Row::cells));
    let width =
        |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &cells {
        let mut line = format!("{:<width$}", row[0], width = widths[0]);
        for column in 1..5 {
            line += &format!("  {:>width$}", row[column], width = widths[column]);
        }
        line += &format!("  {}", row[5]);
        text += line.trim_end();
        text.push('\n');
    }
    text
}

/// The rows as one JSON object; times in seconds, sizes in bytes.
pub fn json(rows: &[Row]) -> Value {
    json!({ "load": process::load(), "cores": cores(), "rows": rows.iter().map(Row::json).collect::<Vec<_>>() })
}

/// One line on the machine, for a reader who wonders about the figures.
pub fn machine() -> String {
    let load = process::load().map(|load| format!(", load {load}")).unwrap_or_default();
    format!("{} {}, {} cores{load}", std::env::consts::OS, std::env::consts::ARCH, cores())
}

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// With one decimal where that says something.
fn short(value: f64) -> String {
    if value.abs() < 100.0 { format!("{value:.1}") } else { thousands(value) }
}

fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = if value <= -0.5 { "-".to_owned() } else { String::new() };
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
