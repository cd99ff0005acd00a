//! What was found side by side: as JSON, as a page in Markdown, and as a picture.

use serde_json::{Map, Value, json};

use super::field::Figure;
use super::growth::Growth;
use super::report::{Unit, machine};
use super::side::Lane;

/// What the page says of itself.
const HEAD: &str = "\
# Performance, side by side

mcp-tether, other bridges and HTTP without a bridge, with the same client, server and work, taking turns in one run of
`benches/compare/run`, which writes this page. The client reads lines and does not parse them, the server's answers are
made beforehand: what is left is the bridge. A dash stands for what does not apply; a failure has its reason. Peers
that write messages anew (other bytes, other ids) are measured all the same.
";

/// Everything as one object; times in seconds, sizes in bytes.
pub fn json(lanes: &[Lane], figures: &[Figure], growth: &[Growth]) -> Value {
    let named = |values: &mut dyn Iterator<Item = Value>| {
        let names = lanes.iter().map(|lane| lane.name.to_owned());
        Value::Object(names.zip(values).collect::<Map<_, _>>())
    };
    let figures: Vec<Value> = figures
        .iter()
        .map(|figure| {
            let mut values = figure.values.iter().map(|value| match value {
                Ok(value) => json!(value),
                Err(why) if why.is_empty() => Value::Null,
                Err(why) => json!({ "failed": why }),
            });
            json!({
                "section": figure.section,
                "name": figure.name,
                "unit": figure.unit.name(),
                "values": named(&mut values),
            })
        })
        .collect();
    let growth: Vec<Value> = growth
        .iter()
        .map(|growth| {
            let mut fits = growth.fits.iter().map(|fit| match fit {
                Some(fit) => {
                    json!({ "slope": fit.slope, "fit": fit.fit, "exponent": fit.exponent })
                }
                None => Value::Null,
            });
            json!({ "name": growth.name, "slopeUnit": growth.of, "fits": named(&mut fits) })
        })
        .collect();
    json!({ "machine": machine(), "figures": figures, "growth": growth })
}

/// The page.
pub fn markdown(lanes: &[Lane], figures: &[Figure], growth: &[Growth]) -> String {
    let mut page =
        format!("{HEAD}\nMachine: {}.\n\n![the main figures](performance.svg)\n", machine());
    let names: Vec<&str> = lanes.iter().map(|lane| lane.name).collect();
    let head = |first: &str| {
        format!("\n| {first} | {} |\n| --- |{}\n", names.join(" | "), " --: |".repeat(names.len()))
    };
    let mut section = "";
    for figure in figures {
        if figure.section != section {
            section = figure.section;
            page += &format!("\n## {section}\n{}", head(""));
        }
        let cells: Vec<String> =
            figure.values.iter().map(|value| cell(figure.unit, value)).collect();
        page += &format!("| {} | {} |\n", figure.name, cells.join(" | "));
    }
    page += "\n## Growth\n\nA line by least squares through the figures above (R² says how well it fits), and the exponent \
             of a power\nthrough the same points: 1 is linear growth.\n";
    page += &head("");
    for growth in growth {
        let cells: Vec<String> = growth
            .fits
            .iter()
            .map(|fit| {
                fit.map_or("–".to_owned(), |fit| {
                    format!("n^{:.2}, R² {:.3}", fit.exponent, fit.fit)
                })
            })
            .collect();
        page += &format!("| {} | {} |\n", growth.name, cells.join(" | "));
    }
    page
}

fn cell(unit: Unit, value: &Result<f64, String>) -> String {
    match value {
        Ok(value) => unit.show(*value),
        Err(why) if why.is_empty() => "–".to_owned(),
        Err(why) => format!("failed: {}", why.replace('|', "/").replace('<', "&lt;")),
    }
}

/// Width of the picture.
const WIDTH: usize = 760;

/// Where bars begin, behind the names.
const NAMES: usize = 130;

/// The longest bar.
const BAR: usize = 480;

/// The figures with these names as bars.
pub fn svg(lanes: &[Lane], figures: &[Figure], chosen: &[&str]) -> String {
    let mut body = String::new();
    let mut y = 10;
    for figure in
        chosen.iter().filter_map(|name| figures.iter().find(|figure| figure.name == *name))
    {
        y += 20;
        body += &format!("<text x=\"10\" y=\"{y}\" class=\"title\">{}</text>\n", figure.name);
        let most =
            figure.values.iter().flatten().fold(f64::MIN_POSITIVE, |most, value| most.max(*value));
        for (lane, value) in lanes.iter().zip(&figure.values) {
            let Ok(value) = value else { continue };
            y += 18;
            let width = (value / most * BAR as f64).max(1.0);
            let class = if lane.name == "mcp-tether" { "ours" } else { "bar" };
            body += &format!(
                "<text x=\"10\" y=\"{}\">{}</text><rect x=\"{NAMES}\" y=\"{y}\" width=\"{width:.0}\" height=\"13\" \
                 class=\"{class}\"/><text x=\"{:.0}\" y=\"{}\">{}</text>\n",
                y + 11,
                lane.name,
                NAMES as f64 + width + 6.0,
                y + 11,
                figure.unit.show(*value),
            );
        }
        y += 24;
    }
    let style = "text{font:12px sans-serif;fill:#444}.title{font-weight:bold}.bar{fill:#9ab}.ours{fill:#2a7}\
                 @media(prefers-color-scheme:dark){text{fill:#ccc}}";
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{y}\" viewBox=\"0 0 {WIDTH} {y}\" \
         role=\"img\">\n<title>mcp-tether beside other bridges</title>\n<style>{style}</style>\n{body}</svg>\n"
    )
}
