//! The main figures as bars.

use super::contender::OURS;
use super::field::Figure;

/// Those that are shown.
const CHOSEN: [&str; 8] = [
    "exec to first answer, warm",
    "a call answered by JSON, p50",
    "requests/s, 64 in flight",
    "CPU per request, 64 in flight",
    "notifications/s to the client",
    "32 MiB result as JSON",
    "resident, idle",
    "peak resident, 32 MiB as JSON",
];

/// Width of the picture.
const WIDTH: usize = 760;

/// Where bars begin, behind the names.
const NAMES: usize = 130;

/// The longest bar.
const BAR: usize = 480;

/// The picture. Its colours are readable on white and, where the reader's system is dark, on black.
pub fn svg(names: &[&str], figures: &[Figure]) -> String {
    let mut body = String::new();
    let mut y = 0;
    for figure in
        CHOSEN.iter().filter_map(|name| figures.iter().find(|figure| figure.name == *name))
    {
        y += 22;
        body += &format!(
            "<text x=\"10\" y=\"{y}\" class=\"title\">{}, {} is better</text>\n",
            figure.name,
            if figure.unit.is_rate() { "more" } else { "less" },
        );
        y -= 10;
        let most =
            figure.values.iter().flatten().fold(f64::MIN_POSITIVE, |most, value| most.max(*value));
        for (name, value) in names.iter().zip(&figure.values) {
            let (width, text) = match value {
                Ok(0.0) => (0.0, figure.unit.show(0.0)),
                Ok(value) => ((value / most * BAR as f64).max(1.0), figure.unit.show(*value)),
                Err(why) if why.is_empty() => continue,
                // The page has more.
                Err(why) => (0.0, why.split(':').next().unwrap_or_default().to_owned()),
            };
            y += 18;
            let class = if *name == OURS { "ours" } else { "bar" };
            body += &format!(
                "<text x=\"10\" y=\"{base}\">{name}</text>\
                 <rect x=\"{NAMES}\" y=\"{y}\" width=\"{width:.0}\" height=\"13\" class=\"{class}\"/>\
                 <text x=\"{after:.0}\" y=\"{base}\">{text}</text>\n",
                base = y + 11,
                after = NAMES as f64 + width + 6.0,
            );
        }
        y += 24;
    }
    let style = "text{font:12px sans-serif;fill:#444}.title{font-weight:bold}.bar{fill:#9ab}.ours{fill:#2a7}\
                 @media(prefers-color-scheme:dark){text{fill:#ccc}.bar{fill:#678}}";
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y}\" viewBox=\"0 0 {WIDTH} {y}\" \
         role=\"img\">\n<title>mcp-tether beside other bridges</title>\n<style>{style}</style>\n{body}</svg>\n"
    )
}
