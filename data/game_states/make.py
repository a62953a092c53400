"""Train a DQN on MinAtar Breakout, let it play, and keep about 3,000 of the states it met.

Run from the project root (needs `pip install minatar`, only here; about half an hour on one core):

    python data/game_states/make.py

Method: Mnih et al. (2015), "Human-level control through deep reinforcement learning", with the network of
Young and Tian (2019), "MinAtar", double Q-learning (van Hasselt et al., 2016) and 3-step returns (Sutton,
1988).
Everything is seeded; another torch version or processor may round differently and so reach another player.
"""

import hashlib
import time
from pathlib import Path

import numpy as np
import torch
from minatar import Environment
from torch import nn

HERE = Path(__file__).parent
SEED = 20
N_ENVS = 8
FRAMES = 2_400_000
REPLAY_STEPS = 25_000  # times N_ENVS frames
WARM_UP_STEPS = 1_000
UPDATES_PER_STEP = 2
BATCH = 32
N_STEP = 3
GAMMA = 0.99
EXPLORE_FRAMES = 200_000
EPSILON = 0.05
SYNC_UPDATES = 1_000
LEARNING_RATE = 2.5e-4
PLAY_EPSILON = 0.02
MAX_EPISODE = 20_000
KEEP = 3_000
LOG_FRAMES = 100_000


class QNetwork(nn.Module):
    """One convolution, one hidden layer of 128, one value for each action."""

    def __init__(self, n_actions: int):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(4, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 8 * 8, 128), nn.ReLU()
        )
        self.head = nn.Linear(128, n_actions)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """frames (b, 10, 10, 4) bool -> Q values (b, n_actions) float32."""
        return self.head(self.hidden(frames))

    def hidden(self, frames: torch.Tensor) -> torch.Tensor:
        """frames (b, 10, 10, 4) bool -> the last hidden layer (b, 128) float32."""
        return self.features(frames.permute(0, 3, 1, 2).float())


class Game:
    """A Breakout with the actions that have an effect (stay, left, right), restarted when it ends."""

    def __init__(self, seed: int):
        self.env = Environment("breakout")
        self.env.seed(seed)
        self.env.reset()
        self.actions = self.env.minimal_action_set()

    def state(self) -> np.ndarray:
        """The screen (10, 10, 4) bool: paddle, ball, the ball's trail, bricks."""
        return self.env.state()

    def act(self, action: int) -> tuple[float, bool]:
        """Play one frame; return the reward and whether the episode ended (the next one has begun)."""
        reward, done = self.env.act(self.actions[action])
        if done:
            self.env.reset()
        return float(reward), bool(done)


class Replay:
    """The last REPLAY_STEPS time steps of N_ENVS games played side by side."""

    def __init__(self):
        self.frames = np.zeros((REPLAY_STEPS, N_ENVS, 10, 10, 4), bool)
        self.actions = np.zeros((REPLAY_STEPS, N_ENVS), np.int64)
        self.rewards = np.zeros((REPLAY_STEPS, N_ENVS), np.float32)
        self.dones = np.zeros((REPLAY_STEPS, N_ENVS), bool)
        self.count = 0

    def add(self, frames, actions, rewards, dones) -> None:
        """Keep one step of all games: frames (g, 10, 10, 4), actions (g,), rewards (g,), dones (g,)."""
        slot = self.count % REPLAY_STEPS
        self.frames[slot], self.actions[slot] = frames, actions
        self.rewards[slot], self.dones[slot] = rewards, dones
        self.count += 1

    def sample(self, rng: np.random.Generator):
        """A batch of (frames, actions, N-step rewards, discount of the bootstrap, frames N steps later)."""
        low = max(0, self.count - REPLAY_STEPS)
        start = rng.integers(low, self.count - N_STEP, size=BATCH)
        game = rng.integers(N_ENVS, size=BATCH)
        reward, discount = np.zeros(BATCH, np.float32), np.ones(BATCH, np.float32)
        for k in range(N_STEP):
            slot = (start + k) % REPLAY_STEPS
            reward += discount * self.rewards[slot, game]
            discount *= GAMMA * ~self.dones[slot, game]
        first, last = start % REPLAY_STEPS, (start + N_STEP) % REPLAY_STEPS
        batch = (
            self.frames[first, game],
            self.actions[first, game],
            reward,
            discount,
            self.frames[last, game],
        )
        return tuple(torch.from_numpy(array) for array in batch)


def td_loss(network: QNetwork, target: QNetwork, batch) -> torch.Tensor:
    """Huber loss against the double-Q target r + discount * Q_target(s', argmax_a Q(s', a))."""
    frames, actions, rewards, discounts, later = batch
    q = network(frames).gather(1, actions[:, None])[:, 0]
    with torch.no_grad():
        best = network(later).argmax(1, keepdim=True)
        goal = rewards + discounts * target(later).gather(1, best)[:, 0]
    return nn.functional.smooth_l1_loss(q, goal)


def choose(network: QNetwork, frames: np.ndarray, epsilon: float, rng: np.random.Generator) -> np.ndarray:
    """Epsilon-greedy actions (b,) for frames (b, 10, 10, 4)."""
    with torch.no_grad():
        q = network(torch.from_numpy(frames)).numpy()
    explore = rng.random(len(q)) < epsilon
    return np.where(explore, rng.integers(q.shape[1], size=len(q)), q.argmax(1))


def train(network: QNetwork) -> None:
    """Train in place for FRAMES frames; print the mean score of the games that ended since the last line."""
    rng = np.random.default_rng(SEED)
    games = [Game(SEED + i) for i in range(N_ENVS)]
    target = QNetwork(3)
    target.load_state_dict(network.state_dict())
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    replay, updates, score, ended, began = Replay(), 0, np.zeros(N_ENVS), [], time.perf_counter()
    for step in range(FRAMES // N_ENVS):
        frames = np.stack([game.state() for game in games])
        epsilon = max(EPSILON, 1 - (1 - EPSILON) * step * N_ENVS / EXPLORE_FRAMES)
        actions = choose(network, frames, epsilon, rng)
        rewards, dones = map(np.array, zip(*map(Game.act, games, actions), strict=True))
        replay.add(frames, actions, rewards, dones)
        score += rewards
        ended.extend(score[dones])
        score[dones] = 0
        for _ in range(UPDATES_PER_STEP if step >= WARM_UP_STEPS else 0):
            loss = td_loss(network, target, replay.sample(rng))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            updates += 1
            if updates % SYNC_UPDATES == 0:
                target.load_state_dict(network.state_dict())
        if (step + 1) * N_ENVS % LOG_FRAMES == 0:
            seconds = time.perf_counter() - began
            print(
                f"{(step + 1) * N_ENVS:9,} frames  {np.mean(ended):6.2f} points a game  {seconds:5.0f} s",
                flush=True,
            )
            ended = []


def play(network: QNetwork, episodes: int, epsilon: float, seed: int) -> list[dict[str, np.ndarray]]:
    """Play whole episodes; each is a dict of frames (t, 10, 10, 4) and rewards (t,)."""
    rng, game, played = np.random.default_rng(seed), Game(seed), []
    for _ in range(episodes):
        frames, rewards, done = [], [], False
        while not done:
            frames.append(game.state())
            reward, done = game.act(choose(network, frames[-1][None], epsilon, rng)[0])
            rewards.append(reward)
            if len(frames) > MAX_EPISODE:
                raise RuntimeError("an episode does not end, so its returns would be cut off")
        played.append({"frames": np.array(frames), "rewards": np.array(rewards, np.float32)})
    return played


def score_of(network: QNetwork, epsilon: float) -> str:
    """Mean and standard error of the score over 100 fresh episodes."""
    scores = np.array([episode["rewards"].sum() for episode in play(network, 100, epsilon, SEED + 1_000)])
    return f"{scores.mean():.2f} ± {scores.std(ddof=1) / 10:.2f} points a game (best {scores.max():.0f})"


def returns_to_go(rewards: np.ndarray) -> np.ndarray:
    """Discounted sum of the rewards from each step to the end of the episode (t,)."""
    total, returns = 0.0, np.zeros(len(rewards), np.float32)
    for t in reversed(range(len(rewards))):
        total = rewards[t] + GAMMA * total
        returns[t] = total
    return returns


def thin(episodes: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """KEEP states drawn at random from all the different ones, in order of episode and step."""
    frames = np.concatenate([episode["frames"] for episode in episodes])
    lengths = [len(episode["rewards"]) for episode in episodes]
    _, different = np.unique(frames.reshape(len(frames), -1), axis=0, return_index=True)
    kept = np.sort(np.random.default_rng(SEED).choice(different, KEEP, replace=False))
    print(f"kept {KEEP:,} of {len(different):,} different states among {len(frames):,} met")
    return {
        "frames": frames[kept],
        "returns": np.concatenate([returns_to_go(episode["rewards"]) for episode in episodes])[kept],
        "episode": np.repeat(np.arange(len(episodes)), lengths)[kept].astype(np.int16),
        "step": np.concatenate([np.arange(length) for length in lengths])[kept].astype(np.int16),
    }


def main() -> None:
    """Train, print how it went, and write states.npz beside this script."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    network = QNetwork(3)
    print("random player:    ", score_of(network, 1.0))
    print("untrained network:", score_of(network, PLAY_EPSILON))
    train(network)
    print("trained network:  ", score_of(network, PLAY_EPSILON))
    states = thin(play(network, 300, PLAY_EPSILON, SEED + 2_000))
    with torch.no_grad():
        frames = torch.from_numpy(states["frames"])
        states["hidden"] = network.hidden(frames).numpy().astype(np.float16)
        states["value"] = network(frames).max(1).values.numpy()
    print("correlation of value and return:", np.corrcoef(states["value"], states["returns"])[0, 1].round(3))
    states["frames"] = np.packbits(states["frames"].reshape(KEEP, -1), axis=1)  # (n, 50)
    target = HERE / "states.npz"
    np.savez_compressed(target, **states)
    print(target.name, f"{target.stat().st_size:,} bytes", hashlib.sha256(target.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()
