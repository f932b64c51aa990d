//! What a client does, and what it knows of it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::Digest as _;
use serde_json::{Value as Json, json};

use super::scene::Gone;
use crate::support::{Answer, Client};

const ENTRIES: &str = "/v0.1/data-storage/data-entries";

/// What a client was told of something that it stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// It is there, and awaits its bytes.
    Pending,
    /// It is there, with its bytes.
    Active,
    /// It is deleted.
    Deleted,
    /// An answer never came.
    Nothing,
}

/// Something that a client stored.
#[derive(Debug)]
pub(super) struct Item {
    /// Where it is asked for.
    pub(super) path: String,
    pub(super) content: Vec<u8>,
    pub(super) told: Told,
}

/// A client that goes through every step of the service, and notes what was acknowledged.
pub(super) struct Story<'a> {
    pub(super) client: &'a Client,
    pub(super) items: &'a mut Vec<Item>,
    pub(super) part_bytes: usize,
}

/// Bytes that are not the same anywhere.
fn bytes(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let next = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*state >> 24) as u8
    };
    (0..length).map(|_| next(&mut state)).collect()
}

fn hash(part: &[u8]) -> String {
    BASE64_STANDARD.encode(md5::Md5::digest(part))
}

impl Story<'_> {
    /// Everything once.
    pub(super) fn tell(&mut self) -> Result<(), Gone> {
        let text = self.text()?;
        let ranges = self.in_ranges()?;
        self.in_parts()?;
        self.datapoint()?;
        self.dataset()?;
        self.delete(text)?;
        self.delete(ranges)?;
        self.left_alone()
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, Gone> {
        let body = (!matches!(method, "GET" | "DELETE")).then_some(body);
        let answer = self.client.try_send(method, path, headers, body).map_err(|_| Gone)?;
        assert!(answer.status < 400, "{method} {path}: {}", answer.text());
        Ok(answer)
    }

    fn post(&self, path: &str, body: &Json) -> Result<Json, Gone> {
        Ok(self.ask("POST", path, &[], body.to_string().as_bytes())?.json())
    }

    /// Notes something new; its number.
    fn note(&mut self, path: String, content: Vec<u8>, told: Told) -> usize {
        self.items.push(Item { path, content, told });
        self.items.len() - 1
    }

    /// A text that is too large for a record.
    fn text(&mut self) -> Result<usize, Gone> {
        let text = "tell me ".repeat(20_000);
        let made = self.post(ENTRIES, &json!({ "name": "text", "content": text }))?;
        Ok(self.note(path_of(&made), text.into_bytes(), Told::Active))
    }

    /// A file that awaits its bytes; its number and its answer.
    fn file(&mut self, content: Vec<u8>) -> Result<(usize, Json), Gone> {
        let made = self.post(ENTRIES, &json!({ "name": "file", "file_path": "a/file.bin" }))?;
        Ok((self.note(path_of(&made), content, Told::Pending), made))
    }

    fn activate(&mut self, item: usize) -> Result<(), Gone> {
        self.items[item].told = Told::Nothing;
        let path = self.items[item].path.clone();
        self.ask("PATCH", &path, &[], br#"{"status":"active"}"#)?;
        self.items[item].told = Told::Active;
        Ok(())
    }

    fn delete(&mut self, item: usize) -> Result<(), Gone> {
        self.items[item].told = Told::Nothing;
        let path = self.items[item].path.clone();
        self.ask("DELETE", &path, &[], b"")?;
        self.items[item].told = Told::Deleted;
        Ok(())
    }

    /// A file in two ranges, as FutureHouse's client sends it.
    fn in_ranges(&mut self) -> Result<usize, Gone> {
        let content = bytes(300_000, 1);
        let (item, made) = self.file(content.clone())?;
        let url = made["storage_locations"][0]["storage_config"]["signed_url"].as_str().unwrap();
        let begun = self.ask("POST", url, &[("x-goog-resumable", "start")], b"")?;
        let upload = begun.header("location").to_owned();
        let total = content.len();
        for (first, part) in [(0, &content[..200_000]), (200_000, &content[200_000..])] {
            let range = format!("bytes {first}-{}/{total}", first + part.len() - 1);
            self.ask("PUT", &upload, &[("content-range", &range)], part)?;
        }
        self.activate(item)?;
        Ok(item)
    }

    /// A file in two parts, as Edison's client sends it.
    fn in_parts(&mut self) -> Result<(), Gone> {
        let content = bytes(self.part_bytes + 1_000, 2);
        let (item, made) = self.file(content.clone())?;
        let at = format!("{}/multipart-upload", path_of(&made));
        let parts: Vec<&[u8]> = content.chunks(self.part_bytes).collect();
        let hashes: Vec<String> = parts.iter().map(|part| hash(part)).collect();
        let begun = self.post(&format!("{at}/initiate"), &json!({ "part_hashes": hashes }))?;
        let mut listed = Vec::new();
        for (number, part) in parts.iter().enumerate() {
            let url = begun["part_urls"][number].as_str().unwrap();
            let put = self.ask("PUT", url, &[("content-md5", &hashes[number])], part)?;
            listed.push(json!({ "part_number": number + 1, "etag": put.header("etag"),
                "checksum": hashes[number] }));
        }
        let all = json!({ "upload_id": begun["upload_id"], "parts": listed });
        self.post(&format!("{at}/complete"), &all)?;
        self.activate(item)
    }

    /// A datapoint with its file, as MADSci's client sends it.
    fn datapoint(&mut self) -> Result<(), Gone> {
        let content = b"a file of a datapoint, which is short".to_vec();
        let about = json!({ "datapoint_id": "01POINT", "label": "T", "data_type": "file",
            "data_timestamp": "2026-11-28T16:52:31.354646" });
        let mut form = format!(
            "--XX\r\nContent-Disposition: form-data; name=\"datapoint\"\r\n\r\n{about}\r\n--XX\r\n\
             Content-Disposition: form-data; name=\"files\"; filename=\"f.bin\"\r\n\r\n"
        )
        .into_bytes();
        form.extend_from_slice(&content);
        form.extend_from_slice(b"\r\n--XX--\r\n");
        let item = self.note("/datapoint/01POINT/value".to_owned(), content, Told::Nothing);
        let kind = [("content-type", "multipart/form-data; boundary=XX")];
        self.ask("POST", "/datapoint", &kind, &form)?;
        self.items[item].told = Told::Active;
        Ok(())
    }

    /// A dataset with more entries than are deleted in one commit, deleted.
    fn dataset(&mut self) -> Result<(), Gone> {
        let set = self.post("/v0.1/data-storage/datasets", &json!({ "name": "set" }))?;
        let set = set["id"].as_str().unwrap().to_owned();
        let mut inside = Vec::new();
        for number in 0..8 {
            let text = format!("{number} ").repeat(if number % 4 == 0 { 40_000 } else { 1 });
            let new = json!({ "name": "in", "content": text, "dataset_id": set });
            let made = self.post(ENTRIES, &new)?;
            inside.push(self.note(path_of(&made), text.into_bytes(), Told::Active));
        }
        for &item in &inside {
            self.items[item].told = Told::Nothing;
        }
        self.ask("DELETE", &format!("/v0.1/data-storage/datasets/{set}"), &[], b"")?;
        for item in inside {
            self.items[item].told = Told::Deleted;
        }
        Ok(())
    }

    /// An upload in parts that nobody goes on with.
    fn left_alone(&mut self) -> Result<(), Gone> {
        let content = bytes(1_000, 3);
        let (_, made) = self.file(content.clone())?;
        let at = format!("{}/multipart-upload/initiate", path_of(&made));
        let begun = self.post(&at, &json!({ "part_hashes": [hash(&content), hash(b"more")] }))?;
        self.ask("PUT", begun["part_urls"][0].as_str().unwrap(), &[], &content).map(|_| ())
    }
}

/// Where an entry is asked for.
fn path_of(made: &Json) -> String {
    format!("{ENTRIES}/{}", made["data_storage"]["id"].as_str().unwrap())
}
