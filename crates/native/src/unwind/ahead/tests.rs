use py_spy_address_space::{Fault, FaultKind};

use super::super::row::{Frame, Saved};
use super::*;

/// Where the code is, and where it was called from.
const CODE: Addr = 0x40_0000;
const BACK: Addr = CODE + 0x805;

/// A page with code at its start, and calls of all kinds in it.
struct Page(Vec<u8>);

impl Page {
    fn with(code: &[u8]) -> Page {
        let mut bytes = vec![0xcc; PAGE];
        bytes[..code.len()].copy_from_slice(code);
        bytes[0x800..0x805].copy_from_slice(&[0xe8, 0, 0, 0, 0]);
        Page(bytes)
    }
}

impl Memory for Page {
    fn read(&self, addr: Addr, into: &mut [u8]) -> Result<(), Fault> {
        let at = addr.checked_sub(CODE).and_then(|at| usize::try_from(at).ok());
        let bytes = at.and_then(|at| self.0.get(at..at.checked_add(into.len())?));
        let bytes = bytes.ok_or(Fault { at: addr, len: into.len(), why: FaultKind::Unmapped })?;
        into.copy_from_slice(bytes);
        Ok(())
    }
}

/// What rsp, rbp and rbx are after this code has returned, when all of the stack from 0x1000 on has numbers of its own but for
/// the return address at `back`.
fn after(code: &[u8], back: Addr) -> Option<[Option<u64>; 3]> {
    let mut registers = Registers::default();
    registers.set(RIP, Some(CODE));
    registers.set(RSP, Some(0x1000));
    registers.set(RBP, Some(0x2000));
    registers.set(3, Some(3));
    let stack = |at: Addr| Some(if at == back { BACK } else { at * 16 });
    let caller = caller(&Page::with(code), &registers, &stack, &mut |_| None)?;
    assert_eq!(caller.instruction(), Some(BACK));
    Some([RSP, RBP, 3].map(|register| caller.get(register)))
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with what may be nothing")]
fn known(stack: u64, frame: u64, rbx: u64) -> Option<[Option<u64>; 3]> {
    Some([stack, frame, rbx].map(Some))
}

#[test]
fn what_takes_a_frame_down_is_followed() {
    assert_eq!(after(&[0xc3], 0x1000), known(0x1008, 0x2000, 3));
    // add $8, %rsp
    assert_eq!(after(&[0x48, 0x83, 0xc4, 8, 0xc3], 0x1008), known(0x1010, 0x2000, 3));
    // pop %rbx; pop %rbp; repz ret
    assert_eq!(after(&[0x5b, 0x5d, 0xf3, 0xc3], 0x1010), known(0x1018, 0x10080, 0x10000));
    // leave; ret $16
    assert_eq!(after(&[0xc9, 0xc2, 16, 0], 0x2008), known(0x2020, 0x20000, 3));
}

#[test]
fn so_is_code_before_that() {
    // push %rbx; xor %ebx, %ebx; call; pop %rbx; ret
    let code = [0x53, 0x31, 0xdb, 0xe8, 0, 0, 0, 0, 0x5b, 0xc3];
    assert_eq!(after(&code, 0x1000), known(0x1008, 0x2000, 3));
    // A loop, and behind it the end: dec %ecx; jne -4; ret
    assert_eq!(after(&[0xff, 0xc9, 0x75, 0xfc, 0xc3], 0x1000), known(0x1008, 0x2000, 3));
    // A branch over a trap: je +1; int3; ret
    assert_eq!(after(&[0x74, 1, 0xcc, 0xc3], 0x1000), known(0x1008, 0x2000, 3));
    // A stack that is aligned: mov %rsp, %rbx; and $-32, %rsp; sub $0x40, %rsp; mov %rbx, %rsp; ret. What it did with rbx is known.
    let code = [0x48, 0x89, 0xe3, 0x48, 0x83, 0xe4, 0xe0, 0x48, 0x83, 0xec, 0x40, 0x48, 0x89, 0xdc, 0xc3];
    assert_eq!(after(&code, 0x1000), known(0x1008, 0x2000, 0x1000));
    // What comes from nowhere is not known: imul %rax, %rbx; ret
    assert_eq!(after(&[0x48, 0x0f, 0xaf, 0xd8, 0xc3], 0x1000), Some([Some(0x1008), Some(0x2000), None]));
    // A jump through a constant of the code: jmp *2(%rip); int3, int3; the address of the ret
    let mut code = vec![0xff, 0x25, 2, 0, 0, 0, 0xcc, 0xcc];
    code.extend((CODE + 16).to_le_bytes());
    code.push(0xc3);
    assert_eq!(after(&code, 0x1000), known(0x1008, 0x2000, 3));
}

#[test]
fn what_does_not_return_to_a_call_is_nothing() {
    for code in [
        &[][..],
        &[0x90, 0xcc],
        // Nobody called from there.
        &[0x58, 0xc3],
        // For ever.
        &[0xeb, 0xfe],
        // pop %rsp; ret: to anywhere.
        &[0x5c, 0xc3],
        // jmp *%rax
        &[0xff, 0xe0],
        &[0x5b; 40],
        // Out of what is mapped.
        &[0xe9, 0, 0, 0, 0x70],
    ] {
        assert_eq!(after(code, 0x1000), None, "{code:x?}");
    }
}

#[test]
fn calls_of_all_lengths() {
    let calls: [&[u8]; 6] = [
        &[0xff, 0xd0],
        &[0x41, 0xff, 0xd0],
        &[0xff, 0x54, 0x24, 8],
        &[0xe8, 1, 2, 3, 4],
        &[0xff, 0x15, 0, 0, 0, 0],
        &[0xff, 0x94, 0x24, 0, 1, 0, 0],
    ];
    for call in calls {
        let page = Page::with(call);
        assert!(is_behind_call(&page, CODE + call.len() as u64), "{call:x?}");
        assert!(!is_behind_call(&page, CODE + 64) && !is_behind_call(&page, 1) && !is_behind_call(&page, u64::MAX));
    }
}

#[test]
fn a_trampoline_jumps_to_code_with_tables() {
    // push %rax; mov 2(%rip), %r10; jmp *%r10, and where to.
    let mut code = vec![0x50, 0x4c, 0x8b, 0x15, 3, 0, 0, 0, 0x41, 0xff, 0xe2];
    code.extend(0x1234_5678_u64.to_le_bytes());
    let mut registers = Registers::default();
    registers.set(RIP, Some(CODE));
    registers.set(RSP, Some(0x1000));
    let stack = |at: Addr| (at == 0x1000).then_some(BACK);
    let mut asked = Vec::new();
    let mut row = |at| {
        asked.push(at);
        // What the trampoline has pushed, and the return address.
        Some(Row::made(Frame::Plus(RSP, 16), [(RIP, Saved::At(-8))].into()))
    };
    let caller = caller(&Page::with(&code), &registers, &stack, &mut row).expect("a caller");
    assert_eq!((caller.instruction(), caller.stack(), asked), (Some(BACK), Some(0x1008), vec![0x1234_5678]));
}
