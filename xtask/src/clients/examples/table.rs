//! The examples, in the words of mosquitto's tools. `~` stands for a place of its own for each run.
use super::Step::{self, Listen, Pub, Sub};

pub(super) struct Example {
    pub(super) name: &'static str,
    /// Of these versions; of all if there are none.
    pub(super) versions: &'static [&'static str],
    pub(super) steps: &'static [Step],
}

const fn example(name: &'static str, steps: &'static [Step]) -> Example {
    Example { name, versions: &[], steps }
}

pub(super) const EXAMPLES: &[Example] = &[
    example(
        "temperature with QoS 1",
        &[
            Listen("-t ~/sensors/temperature -q 1 -C 2", "ready"),
            Pub("-t ~/sensors/temperature -m 32 -q 1", ""),
        ],
    ),
    example(
        "a time stamp and a temperature with QoS 0",
        &[
            Listen("-t ~/sensors/temperature -C 2", "ready"),
            Pub("-t ~/sensors/temperature -m 1266193804_32", ""),
        ],
    ),
    example(
        "with QoS 2 to a subscriber of QoS 2",
        &[Listen("-t ~/a -q 2 -C 2 -F %q:%r:%t:%p", ":ready"), Pub("-t ~/a -q 2 -m twice_never", "")],
    ),
    example(
        "the status of a light, retained",
        &[
            Pub("-r -t ~/switches/kitchen-lights/status -m on -q 1", ""),
            Sub("-t ~/switches/kitchen-lights/status -C 1 -v"),
            Sub("-t ~/switches/+/status -C 1 -F %r_%p"),
        ],
    ),
    example(
        "a retained message is cleared by an empty one",
        &[
            Pub("-r -t ~/light -m on -q 1", ""),
            Pub("-r -t ~/light -n -q 1", ""),
            Pub("-r -t ~/other -m off -q 1", ""),
            Sub("-t ~/light -t ~/other -C 1 -v"),
        ],
    ),
    example(
        "the contents of a file from the standard input",
        &[Listen("-t ~/my/topic -q 1 -C 2", "ready"), Pub("-t ~/my/topic -s -q 1", "two\nlines\r\n\tend")],
    ),
    example(
        "the contents of a file",
        &[Listen("-t ~/my/topic -q 1 -C 2", "ready"), Pub("-t ~/my/topic -f LICENSE-MIT -q 1", "")],
    ),
    example(
        "each line of the standard input",
        &[
            Listen("-t ~/sensors/cc128 -q 1 -v -C 5", "ready"),
            Pub("-t ~/sensors/cc128 -l -q 1", "1\n2 3\n\nlast"),
        ],
    ),
    example("no lines at all", &[Pub("-t ~/a -l", "")]),
    example("nothing where something should be", &[Pub("-t ~/a -s", "")]),
    example(
        "hard drives of several machines",
        &[
            Listen("-t ~/machines/+/temperature/+ -q 1 -v -C 3", "ready"),
            Pub("-t ~/machines/one/temperature/sda -m 41 -q 1", ""),
            Pub("-t ~/machines/one/load -m 9 -q 1", ""),
            Pub("-t ~/machines/two/temperature/sdb -m 38 -q 1", ""),
        ],
    ),
    example(
        "the BBC without Radio 3",
        &[
            Listen("-t ~/bbc/# -T ~/bbc/radio3 -q 1 -v -C 3", "ready"),
            Pub("-t ~/bbc/radio3 -m no -q 1", ""),
            Pub("-t ~/bbc/radio4 -m yes -q 1", ""),
            Pub("-t ~/bbc/radio3 -m no -q 1", ""),
            Pub("-t ~/bbc/world -m yes -q 1", ""),
        ],
    ),
    example(
        "only what is retained",
        &[Listen("-t ~/fresh --retained-only -q 1 -v", "ready"), Pub("-t ~/fresh -m ends_it -q 1", "")],
    ),
    example(
        "what is retained is cleared",
        &[
            Pub("-r -t ~/r/1 -m one -q 1", ""),
            Sub("-t ~/r/# --remove-retained -W 1"),
            Pub("-r -t ~/r/2 -m two -q 1", ""),
            Sub("-t ~/r/# -C 1 -v"),
        ],
    ),
    example("the time is up", &[Sub("-t ~/silence -W 1")]),
    example(
        "nothing stale, and the time is up",
        &[Pub("-r -t ~/old -m x -q 1", ""), Sub("-t ~/old -R -W 1")],
    ),
    example(
        "a session that is kept",
        &[
            Sub("-c -i ~ -t ~/s -q 1 -x 60 -E"),
            Pub("-t ~/s -m one -q 1", ""),
            Pub("-t ~/s -m two -q 2", ""),
            Sub("-c -i ~ -t ~/s -q 1 -x 60 -C 2 -F %q:%p"),
        ],
    ),
    example(
        "a subscription of a session is ended",
        &[
            Sub("-c -i ~ -t ~/s -U ~/s -q 1 -x 60 -E"),
            Sub("-c -i ~ -t ~/t -q 1 -x 60 -E"),
            Sub("-t ~/s -U ~/s -E"),
        ],
    ),
    example(
        "topic, QoS, retained, length and payload",
        &[
            Listen("-t ~/f -q 1 -C 2 -F %t|%q|%r|%l|%p|%%|@@|%x|%X", "|ready"),
            Pub("-t ~/f -q 1 -m Hello!", ""),
        ],
    ),
    example(
        "in columns and with colours",
        &[
            Listen(r"-t ~/f -q 1 -C 2 -F [%20t][%-20t][%.4t][%05l][%-5l][%5l]\t\e[92m%p\e[0m\\", "ready"),
            Pub("-t ~/f -q 1 -m Hello!", ""),
        ],
    ),
    example(
        "payloads in a row",
        &[Listen("-t ~/n -q 1 -N -C 4", "ready"), Pub("-t ~/n -q 1 -l", "a\nb\n\n")],
    ),
    example(
        "an empty payload",
        &[Listen("-t ~/e -q 1 -C 3", "ready"), Pub("-t ~/e -n -q 1", ""), Pub("-t ~/e -q 1 -m end", "")],
    ),
    example(
        "an empty payload in a format",
        &[Listen("-t ~/e -q 1 -C 2 -F <%p|%l>", "ready"), Pub("-t ~/e -n -q 1", "")],
    ),
    example(
        "again and again",
        &[
            Listen("-t ~/a -q 1 -C 4", "ready"),
            Pub("-t ~/a -q 1 -m again --repeat 3 --repeat-delay 0.01", ""),
        ],
    ),
    Example {
        name: "properties",
        versions: &["5"],
        steps: &[
            Listen("-t ~/p -q 1 -C 2 -F %p|%P|%C|%D|%R|%F|[%3E]|[%-8C]|[%A]", "ready"),
            Pub(
                "-t ~/p -q 1 -m x -D publish user-property a b -D publish user-property c d \
                 -D publish content-type text/x -D publish correlation-data xyz -D publish response-topic r/t \
                 -D publish payload-format-indicator 1 -D connect user-property e f -D connect receive-maximum 9",
                "",
            ),
        ],
    },
    example(
        "a payload that is JSON",
        &[Listen("-t ~/j -C 2 -F %p:%t:%q", "ready:~/ready:0"), Pub(r#"-t ~/j -m {"a":1}"#, "")],
    ),
    Example {
        name: "the server's own topics before 5.0",
        versions: &["31", "311"],
        steps: &[Pub("-t $SYS/x -m forged -q 1", "")],
    },
    example(
        "what can't be",
        &[
            Pub("-L mqtt://127.0.0.1:1/~ -m nobody_listens", ""),
            Sub("-L mqtt://127.0.0.1:1/~"),
            Pub("-L mqtt://no.such.host.invalid/~ -m nobody_listens", ""),
            Pub("-t ~/a -f /does/not/exist", ""),
        ],
    ),
];

/// With a server that knows nobody.
pub(super) const STRANGERS: &[Example] = &[
    example("a wrong password", &[Pub("-t ~/a -m x -u joe -P wrong", ""), Sub("-t ~/a -u joe -P wrong")]),
    example("no password", &[Pub("-t ~/a -m x", ""), Sub("-t ~/a")]),
];
