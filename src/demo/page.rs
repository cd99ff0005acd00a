//! Pagination of lists (server/utilities/pagination).
//!
//! A cursor names the last item of the page before, so it stays valid when items are added.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::rpc::RpcError;
use crate::json;

/// The parameters of every list method.
#[derive(Debug, Default, Deserialize)]
pub struct ListParams {
    /// Where to go on; absent for the first page.
    pub cursor: Option<String>,
}

/// The result of a list method: up to `size` items under the name `list`, after the place that the
/// cursor names, and `nextCursor` if there are more. `key` is the field that tells items apart.
///
/// # Errors
/// Invalid parameters for a cursor that we have not given out.
pub fn page(
    list: &str,
    key: &str,
    items: Vec<Value>,
    params: &ListParams,
    size: usize,
) -> Result<Value, RpcError> {
    let start = match &params.cursor {
        None => 0,
        Some(cursor) => position_after(&items, key, cursor)
            .ok_or_else(|| RpcError::params("unknown cursor: use one from nextCursor"))?,
    };
    let more = items.len() > start + size;
    let items: Vec<Value> = items.into_iter().skip(start).take(size).collect();
    let next = items
        .last()
        .and_then(|item| item[key].as_str())
        .filter(|_| more)
        .map(|name| URL_SAFE_NO_PAD.encode(name));
    let mut result = json!({ list: items });
    if let Some(cursor) = next {
        result["nextCursor"] = cursor.into();
    }
    Ok(result)
}

fn position_after(items: &[Value], key: &str, cursor: &str) -> Option<usize> {
    let name = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let index = items.iter().position(|item| item[key] == name.as_str())?;
    Some(index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(count: usize) -> Vec<Value> {
        (0..count).map(|n| json!({"name": format!("item {n}")})).collect()
    }

    #[test]
    fn following_the_cursors_visits_every_item_once() {
        for count in 0..8 {
            let mut seen = Vec::new();
            let mut params = ListParams::default();
            loop {
                let result = page("things", "name", items(count), &params, 3).unwrap();
                let things = result["things"].as_array().unwrap().clone();
                assert!(things.len() <= 3);
                seen.extend(things);
                let Some(cursor) = result["nextCursor"].as_str() else {
                    break;
                };
                params.cursor = Some(cursor.to_owned());
            }
            assert_eq!(seen, items(count));
        }
    }

    #[test]
    fn a_foreign_cursor_is_refused() {
        for cursor in ["", "!", "Zm9yZWlnbg"] {
            let params = ListParams { cursor: Some(cursor.to_owned()) };
            assert!(page("things", "name", items(5), &params, 3).is_err());
        }
    }
}
