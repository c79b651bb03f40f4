#!/bin/bash
# A study under Slurm: one Ray over the nodes of the job (`ray symmetric-run`, Ray 2.49 or later), and again
# from where it stood when its time is up or it is preempted.
#   sbatch deploy/slurm.sh reproduce dfkd_fgvc/table3 --column aircraft --gpu 1 --data /shared/data --weights resnet34.pt
#SBATCH --job-name=dfkd-ray
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=08:00:00
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
# --exclusive: `ray symmetric-run` ends with `ray stop`, which ends every Ray of this user on the node.
set -euo pipefail

out="${DFKD_RAY_OUT:-$SLURM_SUBMIT_DIR/reports/$SLURM_JOB_ID}"  # on a disk that all nodes mount; a requeued job keeps its id
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300
RAY_AUTH_TOKEN=$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')  # of this job alone

# USR1, five minutes before the end: the driver writes tables and ledger, and the job is queued again.
driver="$out/driver.pid"
mkdir -p "$out"
rm -f "$driver"
trap 'echo "time is up"; [ -s "$driver" ] && kill -USR1 "$(cat "$driver")"' USR1

# shellcheck disable=SC2016  # the inner shell expands: it is the driver's own
srun --kill-on-bad-exit=0 ray symmetric-run --address "$head:6379" --min-nodes "$SLURM_NNODES" \
  --num-cpus "$SLURM_CPUS_PER_TASK" -- \
  bash -c 'echo $$ > "$0"; exec dfkd-ray "$@"' "$driver" \
  "$@" --address auto --continue --out "$out/study" &
step=$!
code=0
wait "$step" || code=$?
while kill -0 "$step" 2>/dev/null; do  # the signal has ended the wait, not the step
  code=0
  wait "$step" || code=$?
done
if [ "$code" -eq 130 ]; then
  scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
