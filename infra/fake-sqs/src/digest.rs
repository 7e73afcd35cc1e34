//! The digests of the SQS wire protocol: MD5 of bodies and attributes, SHA-256 for deduplication by content.
//!
//! MD5 guards nothing here; it is the checksum that SDKs compare. SQS documents the attribute digest under "Calculating
//! the MD5 message digest for message attributes".

use std::collections::BTreeMap;

use md5::{Digest, Md5};
use sha2::Sha256;

use crate::message::{AttributeValue, MessageAttribute};

/// MD5 of a body, in hexadecimal.
pub fn md5_of_body(body: &str) -> String {
    hex::encode(Md5::digest(body.as_bytes()))
}

/// MD5 of message attributes in the order of their names, in hexadecimal; none without attributes.
pub fn md5_of_attributes(attributes: &BTreeMap<String, MessageAttribute>) -> Option<String> {
    if attributes.is_empty() {
        return None;
    }
    let mut digest = Md5::new();
    for (name, attribute) in attributes {
        update_sized(&mut digest, name.as_bytes());
        update_sized(&mut digest, attribute.data_type.as_bytes());
        let (transport, value) = match &attribute.value {
            AttributeValue::Text(text) => (1u8, text.as_bytes()),
            AttributeValue::Binary(bytes) => (2u8, bytes.as_slice()),
        };
        digest.update([transport]);
        update_sized(&mut digest, value);
    }
    Some(hex::encode(digest.finalize()))
}

/// The deduplication id of a body in a queue with content-based deduplication: SHA-256, in hexadecimal.
pub fn deduplication_id(body: &str) -> String {
    hex::encode(Sha256::digest(body.as_bytes()))
}

fn update_sized(digest: &mut Md5, bytes: &[u8]) {
    // Four bytes of length, big-endian; the size cap of a message keeps it far below the limit.
    digest.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    digest.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(data_type: &str, value: &str) -> MessageAttribute {
        MessageAttribute { data_type: data_type.into(), value: AttributeValue::Text(value.into()) }
    }

    #[test]
    fn a_body_is_digested_as_plain_md5() {
        assert_eq!(md5_of_body("This is a test message"), "fafb00f5732ab283681e124bf8747ed1");
    }

    #[test]
    fn attributes_are_digested_as_sqs_documents() {
        let attributes = BTreeMap::from([("timestamp".to_owned(), text("Number", "1493147359900"))]);
        assert_eq!(md5_of_attributes(&attributes).as_deref(), Some("235c5c510d26fb653d073faed50ae77c"));
        assert_eq!(md5_of_attributes(&BTreeMap::new()), None);
    }

    #[test]
    fn a_binary_attribute_differs_from_a_text_of_the_same_bytes() {
        let binary =
            MessageAttribute { data_type: "Binary".into(), value: AttributeValue::Binary(b"x".to_vec()) };
        assert_ne!(
            md5_of_attributes(&BTreeMap::from([("a".to_owned(), binary)])),
            md5_of_attributes(&BTreeMap::from([("a".to_owned(), text("Binary", "x"))])),
        );
    }
}
