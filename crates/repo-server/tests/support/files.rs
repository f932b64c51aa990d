//! Files as the clients of FutureHouse and Edison upload them, request by request.

use std::io::Write as _;
use std::net::TcpStream;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::Digest as _;
use serde_json::{Value as Json, json};

use super::{Answer, Client};

pub const ENTRIES: &str = "/v0.1/data-storage/data-entries";
pub const MIB: usize = 1024 * 1024;

/// An entry that awaits its file.
pub struct Awaited {
    /// Where the entry is.
    pub at: String,
    /// Where its upload begins.
    pub url: String,
}

/// Bytes that are not the same anywhere.
pub fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = |state: &mut u32| {
        *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (*state >> 24) as u8
    };
    (0..length).map(|_| next(&mut state)).collect()
}

/// The digest of a part, as Edison's client announces it.
pub fn md5_of(part: &[u8]) -> String {
    BASE64_STANDARD.encode(md5::Md5::digest(part))
}

pub fn signed_url(entry: &Json) -> String {
    entry["storage_locations"][0]["storage_config"]["signed_url"].as_str().unwrap().to_owned()
}

/// Makes an entry that awaits its file.
pub fn awaited(client: &Client, file_path: &str) -> Awaited {
    let body = json!({ "name": "f", "file_path": file_path });
    let made = client.post(ENTRIES, &body.to_string()).expect(200).json();
    let id = made["data_storage"]["id"].as_str().unwrap();
    Awaited { at: format!("{ENTRIES}/{id}"), url: signed_url(&made) }
}

impl Awaited {
    /// Begins an upload in ranges; where they go.
    pub fn begin(&self, client: &Client) -> String {
        let begun = client.send("POST", &self.url, &[("x-goog-resumable", "start")], Some(b""));
        begun.expect(201).header("location").to_owned()
    }

    pub fn activate(&self, client: &Client) -> Answer {
        client.send("PATCH", &self.at, &[], Some(br#"{"status":"active"}"#))
    }

    pub fn status(&self, client: &Client) -> String {
        let status = client.get(&format!("{}/status", self.at)).expect(200).json();
        status["status"].as_str().unwrap().to_owned()
    }

    /// Where the file is downloaded.
    pub fn download(&self, client: &Client) -> String {
        signed_url(&client.get(&self.at).expect(200).json())
    }

    /// Begins an upload in parts; its id and where they go.
    pub fn initiate(&self, client: &Client, hashes: &[String]) -> (String, Vec<String>) {
        let body = json!({ "part_hashes": hashes }).to_string();
        let begun = client.post(&format!("{}/multipart-upload/initiate", self.at), &body);
        let begun = begun.expect(200).json();
        let urls = begun["part_urls"].as_array().unwrap().iter();
        let urls = urls.map(|url| url.as_str().unwrap().to_owned()).collect();
        (begun["upload_id"].as_str().unwrap().to_owned(), urls)
    }

    /// Joins the parts.
    pub fn complete(&self, client: &Client, upload: &str, hashes: &[String]) -> Answer {
        let part = |(number, hash)| json!({ "part_number": number, "checksum": hash });
        let parts: Vec<Json> = (1..).zip(hashes).map(part).collect();
        let body = json!({ "upload_id": upload, "parts": parts }).to_string();
        client.post(&format!("{}/multipart-upload/complete", self.at), &body)
    }
}

/// `Content-Range` of a range; of none with the question how far an upload is.
pub fn content_range(first: usize, length: usize, total: usize) -> String {
    match length {
        0 => format!("bytes */{total}"),
        _ => format!("bytes {first}-{}/{total}", first + length - 1),
    }
}

/// Sends a range of an upload.
pub fn put_range(client: &Client, url: &str, first: usize, part: &[u8], total: usize) -> Answer {
    let range = content_range(first, part.len(), total);
    client.send("PUT", url, &[("content-range", &range)], Some(part))
}

/// Sends the first `sent` bytes of a range, and then nothing more.
pub fn half_sent(client: &Client, url: &str, part: &[u8], sent: usize, total: usize) -> TcpStream {
    let path = url.strip_prefix(&client.base).unwrap();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: {}\r\ncontent-range: {}\r\ncontent-length: {}\r\n\r\n",
        client.address(),
        content_range(0, part.len(), total),
        part.len()
    );
    let mut stream = TcpStream::connect(client.address()).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&part[..sent]).unwrap();
    stream
}
