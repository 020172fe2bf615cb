//! A server that writes down what must not be lost, on each runtime: files here, a thread for each that syncs it.
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;
use tidewire_core::client::{Config, Subscription};
use tidewire_core::message::Publication;
use tidewire_core::qos::QoS;
use tidewire_core::reason::ReasonCode;
use tidewire_core::topic::{TopicFilter, TopicName};
use tidewire_driver::clients::{Client, Endpoint, Maker, Notice, seed};
use tidewire_server::{Journal, Journals, Options, Position, Recorded, Server, ShardId, StartError, Synced};
use tidewire_tokio::launch;

tidewire_driver::on_each! {
    [tokio, mio, #[cfg(feature = "async-std")] async_std] {
        a_restart_forgets_nothing
        a_journal_that_can_not_be_written_promises_nothing
    }
}

const SHARDS: u16 = 2;

/// A folder with a file for each shard, which goes with this.
struct Disk(PathBuf);

impl Disk {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("tidewire-journal-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).expect("a folder");
        Self(folder)
    }

    fn file(&self, shard: ShardId) -> PathBuf {
        self.0.join(format!("shard-{}", shard.0))
    }

    fn start(&self, runtime: &str, incarnation: u32) -> Result<Server, StartError> {
        let mut options = Options::default();
        options.broker.listen = vec!["127.0.0.1:0".into()];
        options.broker.shards = Some(SHARDS);
        options.runtime = runtime.parse().expect("a runtime");
        let files: BTreeMap<_, _> = (0..SHARDS).map(|n| (n, self.file(ShardId(n)))).collect();
        let open = move |shard: ShardId| recorded(&files[&shard.0]);
        options.broker.journals = Some(Journals { placement: [7; 16], incarnation, open: Arc::new(open) });
        Server::start(&options)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn recorded(path: &Path) -> io::Result<Recorded> {
    let file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
    let records = Box::new(file.try_clone()?);
    Ok(Recorded { records, journal: Box::new(OnDisk { file: Some(file), records: None, writer: None }) })
}

/// Hands records to a thread that writes and syncs them.
struct OnDisk {
    file: Option<File>,
    records: Option<Sender<(Vec<u8>, Position)>>,
    writer: Option<JoinHandle<()>>,
}

/// What was handed over is written before the shard's thread ends.
impl Drop for OnDisk {
    fn drop(&mut self) {
        self.records = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Journal for OnDisk {
    fn begin(&mut self, whole: Position, synced: Synced) {
        let mut file = self.file.take().expect("it begins once");
        let (records, next) = channel::<(Vec<u8>, Position)>();
        self.records = Some(records);
        self.writer = Some(std::thread::spawn(move || {
            file.set_len(whole.0).expect("it is a file");
            file.seek(SeekFrom::End(0)).expect("it is a file");
            for (bytes, up_to) in next {
                match file.write_all(&bytes).and_then(|()| file.sync_data()) {
                    Ok(()) => synced.durable(up_to),
                    Err(_) => return synced.failed(),
                }
            }
        }));
    }

    fn append(&mut self, bytes: &[u8], up_to: Position) {
        // Whoever has failed is told no more.
        let _ = self.records.as_ref().expect("it has begun").send((bytes.to_vec(), up_to));
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = ::tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        ::tokio::time::timeout(Duration::from_secs(20), test).await.expect("it takes no time at all");
    });
}

fn client(clients: &Maker, server: &Server, name: &str) -> Client {
    let address = server.addresses().next().expect("it has one listener");
    let mut config = Config::default();
    config.client_id = name.into();
    (config.clean_start, config.session_expiry_seconds) = (false, 3600);
    clients.client(config, vec![Endpoint::new("127.0.0.1", address.port())], seed())
}

fn stop(server: Server) {
    server.shutdown(Duration::ZERO);
    server.join();
}

fn message(topic: &str, payload: &'static str) -> Publication {
    Publication::new(TopicName::new(topic).expect("a Topic Name"), payload).qos(QoS::AtLeastOnce)
}

/// Readers on both shards are away; what is acknowledged reaches them after a restart, behind a torn record.
fn a_restart_forgets_nothing(runtime: &str) {
    let disk = Disk::new(runtime);
    let readers = ["reader-0", "reader-1", "reader-2", "reader-3"];
    run(async {
        let server = disk.start(runtime, 0).expect("files in a folder of its own");
        let clients = launch().expect("a runtime");
        for name in readers {
            let reader = client(&clients, &server, name);
            let filter = TopicFilter::new("t/#").expect("a Topic Filter");
            let granted =
                reader.subscribe(&[Subscription::new(filter, QoS::AtLeastOnce)], None).expect("it goes on");
            assert_eq!(*granted.await.expect("it is granted"), [ReasonCode::GrantedQoS1]);
        }
        clients.shutdown(Duration::from_secs(5)).await.expect("it ends");
        let clients = launch().expect("a runtime");
        let writer = client(&clients, &server, "writer");
        let receipt = writer.publish(message("t/1", "kept").retain(true)).await.expect("it is accepted");
        assert_eq!(receipt.await, Ok(ReasonCode::Success));
        stop(server);
        drop(clients);
    });
    for shard in 0..SHARDS {
        let mut file = OpenOptions::new().append(true).open(disk.file(ShardId(shard))).expect("it was made");
        file.write_all(&[40, 0, 0, 0, 1]).expect("a disk");
    }
    run(async {
        let server = disk.start(runtime, 1).expect("what was written can be read");
        let clients = launch().expect("a runtime");
        for name in readers {
            let reader = client(&clients, &server, name);
            let mut resumed = None;
            let payload = loop {
                match reader.recv().await.expect("it goes on") {
                    Notice::Connected { session_present, .. } => resumed = Some(session_present),
                    Notice::Message(message) => break message.payload.to_vec(),
                    _ => {}
                }
            };
            assert_eq!((resumed, payload), (Some(true), b"kept".to_vec()), "{name}");
        }
        clients.shutdown(Duration::from_secs(5)).await.expect("it ends");
        stop(server);
    });
}

/// It takes what is written, and says that it can't be.
struct Full(Option<Synced>);

impl Journal for Full {
    fn begin(&mut self, _whole: Position, synced: Synced) {
        self.0 = Some(synced);
    }

    fn append(&mut self, _bytes: &[u8], _up_to: Position) {
        self.0.as_ref().expect("it has begun").failed();
    }
}

fn a_journal_that_can_not_be_written_promises_nothing(runtime: &str) {
    let mut options = Options::default();
    options.broker.listen = vec!["127.0.0.1:0".into()];
    options.broker.shards = Some(1);
    options.runtime = runtime.parse().expect("a runtime");
    let open = |_| Ok(Recorded { records: Box::new(io::empty()), journal: Box::new(Full(None)) });
    options.broker.journals = Some(Journals { placement: [7; 16], incarnation: 0, open: Arc::new(open) });
    let server = Server::start(&options).expect("a free port on loopback");
    run(async {
        let clients = launch().expect("a runtime");
        let refused = client(&clients, &server, "c");
        loop {
            match refused.recv().await.expect("it goes on") {
                Notice::Connected { .. } => panic!("its session can't be promised"),
                Notice::Disconnected { .. } => break,
                _ => {}
            }
        }
    });
    stop(server);
}

#[test]
fn what_can_not_be_read_is_named_with_what_to_do() {
    let disk = Disk::new("damaged");
    let mut file = File::create(disk.file(ShardId(1))).expect("a folder of its own");
    file.write_all(&[5, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]).expect("a disk");
    let said = disk.start("mio", 1).expect_err("that is no record").to_string();
    assert_eq!(
        said,
        "can't restore shard 1: the journal is damaged at byte 0; put back a copy, or move it away to begin without \
         what it holds"
    );
    std::fs::remove_file(disk.file(ShardId(1))).expect("it was made");
    std::fs::create_dir(disk.file(ShardId(1))).expect("a folder");
    let said = disk.start("mio", 1).expect_err("that is a folder").to_string();
    assert!(said.starts_with("can't read the journal of shard 1: "), "{said}");
}
