//! JSON objects, and nothing that passes for one: left to itself, serde takes an array for a struct.

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// A body that must be an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_object(deserializer).map(Self)
    }
}

/// The same for a field: `#[serde(deserialize_with = "from_object")]`.
pub(crate) fn from_object<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    struct Members<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Members<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_map(Members(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Point {
        x: u8,
    }

    #[test]
    fn an_array_is_no_object() {
        assert_eq!(serde_json::from_str::<Object<Point>>(r#"{"x":1}"#).unwrap(), Object(Point { x: 1 }));
        assert!(serde_json::from_str::<Point>("[1]").is_ok(), "this is why");
        for text in ["[1]", "null", "7", r#""x""#] {
            let error = serde_json::from_str::<Object<Point>>(text).unwrap_err();
            assert!(error.to_string().contains("expected an object"), "{text}: {error}");
        }
    }
}
