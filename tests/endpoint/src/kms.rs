//! KMS over AWS JSON 1.1, with a cipher that is no protection.

use crate::{
    ACCOUNT_ID,
    answer::Failure,
    identifiers::{Identifiers, UUID_LENGTH},
    input::Input,
    lock::lock,
    time::utc,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use std::{collections::HashMap, sync::Mutex, time::SystemTime};

/// The creation time of each key, by its id.
#[derive(Debug, Default)]
pub(crate) struct Kms {
    keys: Mutex<HashMap<String, SystemTime>>,
}

impl Kms {
    /// Creates a key and returns its id.
    pub(crate) fn create_key(&self, identifiers: &Identifiers, now: SystemTime) -> String {
        let id = identifiers.uuid();
        lock(&self.keys).insert(id.clone(), now);
        id
    }

    /// Performs an operation.
    pub(crate) fn perform(
        &self,
        operation: &str,
        input: &Input,
        region: &str,
        identifiers: &Identifiers,
        now: SystemTime,
    ) -> Result<String, Failure> {
        let output = match operation {
            "CreateKey" => metadata(&self.create_key(identifiers, now), region, now),
            "DescribeKey" => {
                let (id, created) = self.named(input, region)?;
                metadata(id, region, created)
            }
            "Encrypt" => {
                let (id, _) = self.named(input, region)?;
                let plaintext = bytes(input, "Plaintext")?;
                json!({
                    "CiphertextBlob": BASE64_STANDARD.encode(seal(id, &plaintext)),
                    "KeyId": key_arn(id, region),
                    "EncryptionAlgorithm": ALGORITHM,
                })
            }
            "Decrypt" => {
                let (id, plaintext) = self.open(&bytes(input, "CiphertextBlob")?)?;
                json!({
                    "Plaintext": BASE64_STANDARD.encode(plaintext),
                    "KeyId": key_arn(&id, region),
                    "EncryptionAlgorithm": ALGORITHM,
                })
            }
            "GenerateDataKey" => {
                let (id, _) = self.named(input, region)?;
                let length = if input.optional_text("KeySpec") == Some("AES_128") {
                    16
                } else {
                    32
                };
                let data_key = &identifiers.bytes()[..length];
                json!({
                    "CiphertextBlob": BASE64_STANDARD.encode(seal(id, data_key)),
                    "Plaintext": BASE64_STANDARD.encode(data_key),
                    "KeyId": key_arn(id, region),
                })
            }
            other => return Err(Failure::unknown_operation(other)),
        };
        Ok(output.to_string())
    }

    /// Returns the id and the creation time of the key that `KeyId` names by id or ARN.
    fn named<'a>(&self, input: &'a Input, region: &str) -> Result<(&'a str, SystemTime), Failure> {
        let id = key_id(input.text("KeyId")?);
        let created = lock(&self.keys).get(id).copied();
        created.map(|created| (id, created)).ok_or_else(|| {
            let message = format!("Key '{}' does not exist", key_arn(id, region));
            Failure::bad_request("NotFoundException", message)
        })
    }

    /// Undoes [`seal`].
    fn open(&self, blob: &[u8]) -> Result<(String, Vec<u8>), Failure> {
        blob.split_at_checked(UUID_LENGTH)
            .and_then(|(id, hidden)| Some((String::from_utf8(id.to_vec()).ok()?, veil(hidden))))
            .filter(|(id, _)| lock(&self.keys).contains_key(id))
            .ok_or_else(|| Failure::bad_request("InvalidCiphertextException", ""))
    }
}

/// Returns the ARN of a key, given its id or ARN.
pub(crate) fn key_arn(key: &str, region: &str) -> String {
    format!("arn:aws:kms:{region}:{ACCOUNT_ID}:key/{}", key_id(key))
}

/// Joins the id of the key and the ciphertext.
fn seal(id: &str, plaintext: &[u8]) -> Vec<u8> {
    [id.as_bytes(), &veil(plaintext)].concat()
}

/// Encrypts, and decrypts again.
fn veil(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().map(|byte| byte ^ 0xA5).collect()
}

fn key_id(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

fn bytes(input: &Input, member: &str) -> Result<Vec<u8>, Failure> {
    BASE64_STANDARD
        .decode(input.text(member)?)
        .map_err(|error| Failure::bad_request("SerializationException", error.to_string()))
}

fn metadata(id: &str, region: &str, created: SystemTime) -> Value {
    json!({
        "KeyMetadata": {
            "AWSAccountId": ACCOUNT_ID,
            "KeyId": id,
            "Arn": key_arn(id, region),
            "CreationDate": utc(created).timestamp(),
            "Enabled": true,
            "Description": "",
            "KeyUsage": "ENCRYPT_DECRYPT",
            "KeyState": "Enabled",
            "Origin": "AWS_KMS",
            "KeyManager": "CUSTOMER",
            "KeySpec": ALGORITHM,
            "CustomerMasterKeySpec": ALGORITHM,
            "EncryptionAlgorithms": [ALGORITHM],
            "MultiRegion": false,
        }
    })
}

const ALGORITHM: &str = "SYMMETRIC_DEFAULT";
