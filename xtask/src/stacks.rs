//! `cargo xtask stacks`: records a native stack of each processor into `crates/native/tests/fixtures/`, with gdb as the judge.
//!
//! It takes gcc and gdb, and for `AArch64` a compiler for that (`aarch64-linux-gnu-gcc`), `qemu-aarch64` and `gdb-multiarch`. The
//! program is linked with its C library, so that its memory is its file and its stack.

#[path = "../../crates/native/tests/recorded/stack.rs"]
mod stack;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, elf};
use py_spy_address_space::{Addr, PAGE};
use py_spy_native::End;
use stack::Recorded;

use crate::padded::Padded;
use crate::reduce::reduce;

/// What gdb prints: the registers in DWARF's order, the frames that are on the stack, and the stack's bytes.
const SCRIPT: &str = "python
arch = gdb.selected_frame().architecture().name()
names = (['x%d' % n for n in range(31)] + ['sp', 'pc'] if 'aarch64' in arch else
         'rax rdx rcx rbx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip'.split())
for name in names:
    print('register %x' % (int(gdb.parse_and_eval('(unsigned long)$' + name)) & (2 ** 64 - 1)))
frame = gdb.newest_frame()
while frame is not None and frame.is_valid():
    if frame.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME):
        print('frame %x %s' % (frame.pc(), frame.name() or '-'))
    frame = frame.older()
at = (int(gdb.parse_and_eval('(unsigned long)$sp')) - 128) & ~7
while True:
    try:
        bytes = gdb.selected_inferior().read_memory(at, 64)
    except gdb.MemoryError:
        break
    print('stack %x %s' % (at, bytes.tobytes().hex()))
    at += 64
";

/// How the stack of a processor is recorded.
struct Way {
    machine: &'static str,
    compiler: &'static str,
    emulator: Option<&'static str>,
    debugger: &'static str,
}

const WAYS: [Way; 2] = [
    Way { machine: "x86_64", compiler: "gcc", emulator: None, debugger: "gdb" },
    Way {
        machine: "aarch64",
        compiler: "aarch64-linux-gnu-gcc",
        emulator: Some("qemu-aarch64"),
        debugger: "gdb-multiarch",
    },
];

/// Where the emulator waits for the debugger.
const PORT: &str = "12345";

/// Writes all recordings.
pub(crate) fn write() -> Result<()> {
    for way in &WAYS {
        way.record().with_context(|| format!("recording a stack of {}", way.machine))?;
    }
    Ok(())
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/native/tests/fixtures")
}

/// Ends the emulator whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl Way {
    fn record(&self) -> Result<()> {
        let folder = tempfile::tempdir()?;
        let (program, script) = (folder.path().join("deep"), folder.path().join("script"));
        let options = ["-O2", "-static", "-no-pie", "-fomit-frame-pointer", "-fasynchronous-unwind-tables"];
        let mut compiler = Command::new(self.compiler);
        let result = compiler
            .args(options)
            .arg("-Wl,--eh-frame-hdr")
            .arg("-o")
            .arg(&program)
            .arg(fixtures().join("deep.c"))
            .status()?;
        ensure!(result.success(), "{} failed", self.compiler);
        std::fs::write(&script, SCRIPT)?;
        let said = self.debugged(&program, &script)?;

        let mut memory = Padded::default();
        let elf = std::fs::read(&program)?;
        let mut recorded = Recorded { machine: self.machine.to_owned(), ..mapped(&elf, &mut memory)? };
        let of_gdb = said.lines().filter(|line| line.starts_with("register ") || line.starts_with("frame "));
        let of_gdb = of_gdb.fold(String::new(), |text, line| text + line + "\n");
        let of_gdb = Recorded::parse(&of_gdb).context("gdb says something else than it was asked")?;
        (recorded.registers, recorded.frames) = (of_gdb.registers, of_gdb.frames);
        for (at, hex) in said.lines().filter_map(|line| line.strip_prefix("stack ")?.split_once(' ')) {
            let at = Addr::from_str_radix(at, 16)?;
            for (offset, digits) in (0..).zip(hex.as_bytes().chunks(2)) {
                let at = at + offset;
                memory.page(at)[at as usize % PAGE] = u8::from_str_radix(std::str::from_utf8(digits)?, 16)?;
            }
        }
        let seen = recorded.walk(&memory);
        let fits = seen.0 == End::Root && recorded.has(&seen.1);
        ensure!(fits, "gdb says {:x?}, and we {seen:x?}", recorded.frames);
        let same = |memory: &Padded| recorded.walk(memory) == seen;
        let bytes = reduce(memory, same)?.to_bytes();
        std::fs::write(fixtures().join(self.machine).with_extension("mem"), &bytes)?;
        std::fs::write(fixtures().join(self.machine).with_extension("txt"), text(&recorded)?)?;
        Ok(())
    }

    /// What the debugger prints of the program, stopped at its innermost function.
    fn debugged(&self, program: &Path, script: &Path) -> Result<String> {
        let mut gdb = Command::new(self.debugger);
        gdb.args(["-nx", "-batch", "-iex", "set auto-load off", "-iex", "set debuginfod enabled off"]);
        gdb.args(["-iex", "set backtrace past-main on", "-ex", "handle SIGUSR1 nostop noprint", "-ex", "break *leaf"]);
        let running = self.emulator.map(|emulator| Command::new(emulator).args(["-g", PORT]).arg(program).spawn());
        let _running = running.transpose()?.map(Running);
        match self.emulator {
            // It is tried until the emulator listens.
            Some(_) => {
                gdb.args(["-ex", "set tcp auto-retry on", "-ex", &format!("target remote :{PORT}"), "-ex", "continue"])
            }
            None => gdb.args(["-ex", "run"]),
        };
        let output = gdb.arg("-x").arg(script).arg(program).stderr(Stdio::inherit()).output()?;
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// Puts the file's segments into memory. The mappings have names and numbers of no machine.
fn mapped(elf: &[u8], memory: &mut Padded) -> Result<Recorded> {
    let header = FileHeader64::<Endianness>::parse(elf)?;
    let endian = header.endian()?;
    let mut recorded = Recorded::default();
    for segment in header.program_headers(endian, elf)?.iter().filter(|segment| segment.p_type(endian) == PT_LOAD) {
        let (at, offset, size) = (segment.p_vaddr(endian), segment.p_offset(endian), segment.p_filesz(endian));
        let (page, skip) = (at - at % PAGE as Addr, at % PAGE as Addr);
        let bytes = &elf[(offset - skip) as usize..(offset + size) as usize];
        for (byte, at) in bytes.iter().zip(page..) {
            memory.page(at)[at as usize % PAGE] = *byte;
        }
        let end = (at + segment.p_memsz(endian)).next_multiple_of(PAGE as Addr);
        let code = if segment.p_flags(endian) & elf::PF_X == elf::ProgramFlags(0) { '-' } else { 'x' };
        recorded.mappings.push(format!("{page:x}-{end:x} r-{code}p {:08x} fe:00 7 /srv/deep", offset - skip));
    }
    Ok(recorded)
}

fn text(recorded: &Recorded) -> Result<String> {
    let Recorded { machine, registers, mappings, frames } = recorded;
    let mut text = format!("machine {machine}\n");
    registers.iter().try_for_each(|value| writeln!(text, "register {value:x}"))?;
    mappings.iter().try_for_each(|line| writeln!(text, "mapping {line}"))?;
    frames.iter().try_for_each(|(at, name)| writeln!(text, "frame {at:x} {name}"))?;
    Ok(text)
}
