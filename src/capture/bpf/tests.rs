//! The verifier's rules one by one, and an interpreter nothing can stop.

use proptest::prelude::*;

use super::{Instruction, MOST_INSTRUCTIONS, Program, VerifyError, opcode};

const RET: Instruction = Instruction { code: opcode::RET_K, jt: 0, jf: 0, k: 7 };

fn plain(code: u16, k: u32) -> Instruction {
    Instruction::plain(code, k)
}

#[test]
fn each_rule_is_checked() {
    use opcode::{ADD, DIV, JA, JEQ, LD_MEM, LD_W_ABS, LSH, ST};
    let jeq = |jt, jf| Instruction { code: JEQ, jt, jf, k: 0 };
    for (program, error) in [
        (vec![], VerifyError::Length(0)),
        (vec![RET; MOST_INSTRUCTIONS + 1], VerifyError::Length(MOST_INSTRUCTIONS + 1)),
        (vec![plain(0xffff, 0), RET], VerifyError::Opcode(0, 0xffff)),
        (vec![RET, plain(DIV, 0), RET], VerifyError::DivisionByZero(1)),
        (vec![plain(LSH, 32), RET], VerifyError::Shift(0, 32)),
        (vec![plain(ST, 16), RET], VerifyError::Cell(0, 16)),
        (vec![plain(LD_MEM, 3), RET], VerifyError::Unwritten(0, 3)),
        (vec![jeq(0, 1), plain(ST, 3), plain(LD_MEM, 3), RET], VerifyError::Unwritten(2, 3)),
        (vec![jeq(0, 1), RET], VerifyError::Jump(0)),
        (vec![plain(JA, 1), RET], VerifyError::Jump(0)),
        (vec![plain(JA, u32::MAX), RET], VerifyError::Jump(0)),
        (vec![plain(LD_W_ABS, 0xffff_f000), RET], VerifyError::Offset(0, 0xffff_f000)),
        (vec![RET, plain(ADD, 1)], VerifyError::NoReturn),
    ] {
        assert_eq!(Program::verify(program), Err(error));
    }
    assert!(Program::verify(vec![plain(ST, 15), jeq(1, 0), plain(LD_MEM, 15), RET]).is_ok());
    assert!(Program::verify(vec![RET; MOST_INSTRUCTIONS]).is_ok());
}

#[test]
fn reading_past_the_end_and_dividing_by_zero_reject() {
    let run = |code: &[Instruction]| Program::verify([code, &[RET]].concat()).expect("good").run(&[1, 2, 3, 4, 5], 900);
    assert_eq!(run(&[plain(opcode::LD_W_ABS, 1)]), 7);
    assert_eq!(run(&[plain(opcode::LD_W_ABS, 2)]), 0);
    assert_eq!(run(&[plain(opcode::LDX_IMM, u32::MAX), plain(opcode::LD_B_IND, 2)]), 0);
    assert_eq!(run(&[plain(opcode::DIV | opcode::FROM_X, 0)]), 0);
    assert_eq!(run(&[plain(opcode::LD_LEN, 0), plain(opcode::RET_A, 0)]), 900);
    assert_eq!(Program::accept_all().run(&[], 0), super::KEEP);
    assert_eq!(Program::reject_all().run(&[1], 1), 0);
}

proptest! {
    #[test]
    fn what_passes_the_verifier_runs(
        code in proptest::collection::vec((any::<u8>(), 0u8..4, 0u8..4, prop_oneof![0u32..40, any::<u32>()]), 1..12),
        bytes in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut program: Vec<Instruction> =
            code.into_iter().map(|(code, jt, jf, k)| Instruction { code: u16::from(code), jt, jf, k }).collect();
        program.push(RET);
        if let Ok(program) = Program::verify(program) {
            program.run(&bytes, 40);
        }
    }
}
