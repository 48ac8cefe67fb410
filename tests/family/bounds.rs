//! Programs that start more processes than anybody wants to follow.

use std::process::Command;

use py_spy_test_programs::one_of_each_series;

use crate::common::{Running, good, run, stderr};
use crate::stacks;

#[test]
fn a_bomb_is_followed_up_to_a_bound_that_is_said() {
    let _turn = crate::turn();
    let interpreter = one_of_each_series()[0];
    // The shell is one, Python the second; 600 more sleep. All end with the shell's group.
    let script = "\"$0\" -c \"$1\" & for i in $(seq 600); do sleep 60 & done; echo ready; read line; kill -9 0";
    // Whatever becomes of this test: without the shell it ends.
    let source = "import os\ndef f(shell):\n  while os.getppid() == shell: pass\nf(os.getppid())";
    let mut shell = Command::new("setsid");
    shell.args(["-w", "sh", "-c", script]).arg(&interpreter.program).arg(source);
    let mut shell = Running::start("sh", &mut shell);
    assert_eq!(shell.line(), "ready");
    let output = run(&["record", "-s", "-d", "10", "-f", "raw", "-o", "-", "--pid", &shell.id_text()]);
    let text = good("bomb", &output);
    let stacks = stacks("bomb", text);
    assert!(stacks.keys().any(|stack| stack.has("f")), "{text}");
    let expected = "there are more than 512 processes at one time: those beyond are left out";
    assert_eq!(stderr(&output).matches(expected).count(), 1, "{}", stderr(&output));
    shell.tell("\n");
    shell.wait();
}
