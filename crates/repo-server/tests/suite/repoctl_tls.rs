//! `repoctl data` over TLS.

use crate::support::Place;
use crate::support::repoctl::{command, done, failed, write};
use crate::support::tls::Front;
use serde_json::json;

const HERE: &str = "127.0.0.1";

#[test]
fn a_file_goes_up_and_comes_down_over_tls() {
    let place = Place::new();
    let made = place.json("keys create --name ada");
    let server = place.serve("--store sqlite:store.db");
    let front = Front::before(&server, HERE);
    write(&place, "ca.pem", front.certificate.as_bytes());
    let run = |line: &str| {
        let mut command = command(&place, &front.base, &format!("data {line} --format json"));
        // The key goes over it without a further word.
        let command = command.env("REPO_API_KEY", made["key"].as_str().unwrap());
        command.args(["--ca-file", "ca.pem"]).output().unwrap()
    };
    let whole: Vec<u8> = (0..9_000_007_u32).map(|n| (n % 251) as u8).collect();
    let sha256 = write(&place, "w.bin", &whole);
    let put = done(&run("put w.bin"));
    assert_eq!((&put["sha256"], &put["status"]), (&json!(sha256), &json!("active")));
    let got = done(&run(&format!("get {} --output out.bin", put["id"].as_str().unwrap())));
    assert_eq!((&got["sha256"], &got["compared"]), (&json!(sha256), &json!(true)));
    assert!(std::fs::read(place.path("out.bin")).unwrap() == whole);
}

#[test]
fn a_certificate_that_is_not_trusted_names_the_flag_that_trusts_it() {
    let place = Place::new();
    let server = place.serve("--store memory:");
    let front = Front::before(&server, HERE);
    write(&place, "other.pem", Front::before(&server, HERE).certificate.as_bytes());
    let elsewhere = Front::before(&server, "files.example.org");
    write(&place, "elsewhere.pem", elsewhere.certificate.as_bytes());
    write(&place, "w.bin", b"abc");
    for (front, trusted) in
        [(&front, None), (&front, Some("other.pem")), (&elsewhere, Some("elsewhere.pem"))]
    {
        let mut put = command(&place, &front.base, "data put w.bin --format json");
        put.args(trusted.iter().flat_map(|file| ["--ca-file", *file]));
        let refused = put.output().unwrap();
        assert_eq!(failed(&refused), (1, "PermissionDenied".to_owned()), "{trusted:?}");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains("certificate") && said.contains("--ca-file"), "{said}");
    }
    assert_eq!(server.get("/api/v1/entries").expect(200).json()["items"], json!([]));
}
