//! A proxy before a server that cuts connections: some before the server has what was sent,
//! some after it has acted and before its answer is out.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Of how many pieces that pass one cuts its connection.
const ONE_OF: u32 = 3_000;

pub(crate) struct Cutter {
    pub(crate) address: std::net::SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    cuts: AtomicUsize,
    cutting: AtomicBool,
}

impl Cutter {
    /// Stands before a server until the process ends.
    pub(crate) fn before(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let cutter = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        let state = Arc::clone(&cutter.state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(&server) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let (from, to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    let state = Arc::clone(&state);
                    std::thread::spawn(move || pass_on(from, to, &state));
                }
            }
        });
        cutter
    }

    /// Cuts from now on, or no more: what the test itself asks has to be answered.
    pub(crate) fn set_cutting(&self, cutting: bool) {
        self.state.cutting.store(cutting, Ordering::Relaxed);
    }

    /// How many connections it has cut.
    pub(crate) fn cuts(&self) -> usize {
        self.state.cuts.load(Ordering::Relaxed)
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, state: &State) {
    let mut piece = [0; 16_384];
    while let Ok(count @ 1..) = from.read(&mut piece) {
        if state.cutting.load(Ordering::Relaxed) && fastrand::u32(..ONE_OF) == 0 {
            state.cuts.fetch_add(1, Ordering::Relaxed);
            break;
        }
        if to.write_all(&piece[..count]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
