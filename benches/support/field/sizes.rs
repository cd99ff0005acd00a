//! How fast results and arguments of all sizes go through.

use super::calls::Shown;
use super::{Field, middle};
use crate::support::Error;
use crate::support::report::Unit;
use crate::support::wire::Tool;

/// Bytes of text in a result or an argument.
pub const SIZES: [usize; 6] = [1 << 10, 32 << 10, 1 << 20, 8 << 20, 32 << 20, 256 << 20];

/// What carries the text, and the call that has it do so.
pub type Kind = (&'static str, fn(usize) -> Tool);

/// All of them.
pub const KINDS: [Kind; 3] =
    [("result as JSON", Tool::Json), ("result as an event", Tool::Sse), ("argument", Tool::Upload)];

/// The name of the figure.
pub fn name(size: usize, kind: &str) -> String {
    format!("{} {kind}", bytes(size))
}

/// The size as people write it.
pub fn bytes(size: usize) -> String {
    if size < 1 << 20 { format!("{} KiB", size >> 10) } else { format!("{} MiB", size >> 20) }
}

/// All kinds and sizes, for every way.
pub fn measure(field: &mut Field) -> Result<(), Error> {
    for (kind, tool) in KINDS {
        field.connect();
        let mut shown = vec![Shown::default(); field.lanes.len()];
        let largest = field.effort.largest;
        for size in SIZES.into_iter().filter(|size| *size <= largest) {
            let found = field.calls(tool(size), |way| shown[way].may_try(size));
            let values = found.into_iter().zip(&mut shown).map(|(calls, shown)| {
                let time = calls.map(|calls| middle(calls.iter().map(|call| call.took).collect()));
                shown.see(size, time.as_ref().ok().copied());
                Ok(size as f64 / time?.as_secs_f64())
            });
            let values = values.collect();
            field.note("Sizes", name(size, kind), Unit::BytesPerSecond, values)?;
        }
    }
    Ok(())
}
