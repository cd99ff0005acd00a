//! JSON documents of our own: what `--json` prints, registrations, traces in other formats.
//!
//! [`json!`](crate::json!) is written as that of `serde_json` and makes the same, of fewer kinds of values. There each
//! member goes through a serializer that could fail, which makes half of the code that writes documents
//! (docs/decisions/0006). Messages are not made here: see [`crate::jsonrpc`].

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Number, Value};

/// What can be a value in [`json!`](crate::json!).
pub trait Json {
    /// It.
    fn json(&self) -> Value;
}

/// Puts a member into `object`.
pub fn put(object: &mut Map<String, Value>, name: &str, value: Value) {
    object.insert(name.to_owned(), value);
}

/// Puts an element at the end of `array`.
pub fn add(array: &mut Vec<Value>, element: Value) {
    array.push(element);
}

/// What `serde` makes of `value`, which is for what is [`Serialize`] and not [`Json`]; null if it makes nothing.
pub fn of(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A JSON value.
#[macro_export]
macro_rules! json {
    (null) => { ::serde_json::Value::Null };
    ({ $($members:tt)* }) => {{
        #[allow(unused_mut)]
        let mut object = ::serde_json::Map::new();
        $crate::json!(@members object $($members)*);
        ::serde_json::Value::Object(object)
    }};
    ([ $($elements:tt)* ]) => {{
        #[allow(unused_mut)]
        let mut array = ::std::vec::Vec::new();
        $crate::json!(@elements array $($elements)*);
        ::serde_json::Value::Array(array)
    }};

    (@members $object:ident) => {};
    (@members $object:ident $name:tt : null $(, $($rest:tt)*)?) => {
        $crate::json!(@put $object $name (null) $($($rest)*)?);
    };
    (@members $object:ident $name:tt : { $($value:tt)* } $(, $($rest:tt)*)?) => {
        $crate::json!(@put $object $name ({ $($value)* }) $($($rest)*)?);
    };
    (@members $object:ident $name:tt : [ $($value:tt)* ] $(, $($rest:tt)*)?) => {
        $crate::json!(@put $object $name ([ $($value)* ]) $($($rest)*)?);
    };
    (@members $object:ident $name:tt : $value:expr $(, $($rest:tt)*)?) => {
        $crate::json!(@put $object $name ($value) $($($rest)*)?);
    };
    (@put $object:ident $name:tt ($($value:tt)*) $($rest:tt)*) => {
        $crate::json::put(&mut $object, $name, $crate::json!($($value)*));
        $crate::json!(@members $object $($rest)*);
    };

    (@elements $array:ident) => {};
    (@elements $array:ident null $(, $($rest:tt)*)?) => {
        $crate::json!(@push $array (null) $($($rest)*)?);
    };
    (@elements $array:ident { $($value:tt)* } $(, $($rest:tt)*)?) => {
        $crate::json!(@push $array ({ $($value)* }) $($($rest)*)?);
    };
    (@elements $array:ident [ $($value:tt)* ] $(, $($rest:tt)*)?) => {
        $crate::json!(@push $array ([ $($value)* ]) $($($rest)*)?);
    };
    (@elements $array:ident $value:expr $(, $($rest:tt)*)?) => {
        $crate::json!(@push $array ($value) $($($rest)*)?);
    };
    (@push $array:ident ($($value:tt)*) $($rest:tt)*) => {
        $crate::json::add(&mut $array, $crate::json!($($value)*));
        $crate::json!(@elements $array $($rest)*);
    };

    ($value:expr) => { $crate::json::Json::json(&$value) };
}

impl Json for str {
    fn json(&self) -> Value {
        Value::String(self.to_owned())
    }
}

impl Json for String {
    fn json(&self) -> Value {
        (**self).json()
    }
}

impl Json for Cow<'_, str> {
    fn json(&self) -> Value {
        (**self).json()
    }
}

impl Json for bool {
    fn json(&self) -> Value {
        Value::Bool(*self)
    }
}

impl Json for f64 {
    /// What is no number of JSON becomes null.
    fn json(&self) -> Value {
        Number::from_f64(*self).map_or(Value::Null, Value::Number)
    }
}

macro_rules! integers {
    ($($integer:ty)*) => { $(
        impl Json for $integer {
            fn json(&self) -> Value {
                Value::Number((*self).into())
            }
        }
    )* };
}

integers! { u8 u16 u32 u64 usize i32 i64 }

impl Json for Number {
    fn json(&self) -> Value {
        Value::Number(self.clone())
    }
}

impl Json for Value {
    fn json(&self) -> Value {
        self.clone()
    }
}

impl Json for Map<String, Value> {
    fn json(&self) -> Value {
        Value::Object(self.clone())
    }
}

impl<A: Json, B: Json> Json for (A, B) {
    fn json(&self) -> Value {
        Value::Array(vec![self.0.json(), self.1.json()])
    }
}

impl<T: Json + ?Sized> Json for &T {
    fn json(&self) -> Value {
        (**self).json()
    }
}

impl<T: Json> Json for Option<T> {
    fn json(&self) -> Value {
        self.as_ref().map_or(Value::Null, T::json)
    }
}

impl<T: Json> Json for [T] {
    fn json(&self) -> Value {
        Value::Array(self.iter().map(T::json).collect())
    }
}

impl<T: Json> Json for Vec<T> {
    fn json(&self) -> Value {
        (**self).json()
    }
}

impl<T: Json, const N: usize> Json for [T; N] {
    fn json(&self) -> Value {
        self[..].json()
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    #[test]
    fn it_makes_what_the_one_of_serde_json_makes() {
        let (name, none, some) = ("a".to_owned(), None::<u16>, Some(1.5));
        let list = vec![Cow::Borrowed("x"), Cow::Owned(name.clone())];
        macro_rules! document {
            ($($json:tt)*) => {
                $($json)*!({
                    "null": null, "none": none, "some": some, "nan": f64::NAN, "name": name, "list": list,
                    "empty": {}, "nothing": [],
                    "deep": { "array": [1, null, [true], { "b": -7 }, &name[..], 1 + 1], "last": "c", },
                    "if": if list.len() > 1 { "many" } else { "one" },
                    "large": u64::MAX,
                })
            };
        }
        assert_eq!(document!(crate::json), document!(serde_json::json));
        assert_eq!(crate::json!(name), serde_json::json!(name));
        assert_eq!(crate::json!(null), serde_json::json!(null));
        assert_eq!(crate::json!([]), serde_json::json!([]));
    }
}
