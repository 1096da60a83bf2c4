// What the hub API answers, as far as the console shows it. A time or text that is
// not known yet is null.

export interface Page<T> {
  count: number;
  next: string | null;
  previous: string | null;
  results: T[];
}

export interface Profile {
  username: string;
  namespace: string;
  email: string;
  realname: string;
  is_admin: boolean;
  created_at: string | null;
}

// Account is one as administrators see it.
export interface Account extends Profile {
  is_locked: boolean;
}

export type Role = "owner" | "writer" | "reader";

export interface Org {
  name: string;
  company: string;
  created_by: string;
  created_at: string | null;
  role: Role;
}

// Access is what the Manage API tells of a namespace or repository.
export interface Access {
  self_auth: { auth: number }; // the caller's role
}

export interface Member {
  username: string;
  role: Role;
  since: string | null;
}

export interface Token {
  id: string;
  name: string;
  namespace: string | null;
  created_by: string;
  permissions: string[];
  repositories: string[];
  created_at: string | null;
  expires_at: string | null;
}

export interface MadeToken extends Token {
  token: string;
}

export interface Repository {
  namespace: string;
  repo_name: string;
  repo_path: string;
  description: string;
  full_description: string;
  is_public: boolean;
  is_automated: boolean;
  category: string;
  immutable_tags: boolean;
  created_by: string;
  created_at: string | null;
  updated_at: string | null;
  download: number;
  upload: number;
  pulled_at: string | null;
  pushed_at: string | null;
  repo_starred_count: number;
  is_repo_starred: boolean;
  build_config: BuildConfig | null;
}

export interface Tag {
  tag: string;
  image_id: string;
  digest: string;
  media_type: string;
  size: number;
  platforms: string[];
  pushed_at: string | null;
  pulled_at: string | null;
}

export interface Content {
  media_type: string;
  digest: string;
  size: number;
  platform: string | null;
}

export interface HistoryStep {
  created_at: string | null;
  created_by: string;
  author: string;
  comment: string;
  empty_layer: boolean;
}

export interface WholeTag extends Tag {
  config: Content | null;
  layers: Content[];
  manifests: Content[];
  history: HistoryStep[];
}

export interface BuildConfig {
  id: number;
  code_repo_client: string;
  code_repo_path: string;
  code_repo_http_url: string | null;
  code_repo_clone_url: string | null;
  code_repo_webhook_secret: string | null;
  code_repo_webhook_url: string | null;
  code_repo_public_key: string;
  build_node: string;
  email_enabled: boolean;
  deploy_url: string | null;
  tag_configs: TagConfig[];
}

export interface TagConfig {
  id?: number;
  docker_repo_tag: string;
  dockerfile_location: string;
  code_repo_type: string;
  code_repo_type_value: string;
  is_active: boolean;
  version_tagging: number;
  build_context_path: string;
  build_cache_enabled: boolean;
  build_args: Record<string, string>;
  platforms: string[];
  build_secrets: string[];
}

// W waits, I runs, S succeeded, F failed, D was cancelled.
export type BuildStatus = "W" | "I" | "S" | "F" | "D";

export interface Build {
  build_id: string;
  created_at: string | null;
  started_at: string | null;
  ended_at: string | null;
  code_head_commit: string | null;
  code_repo_path: string;
  code_repo_type: string;
  code_repo_type_value: string;
  created_by: string;
  detail: string;
  digest: string | null;
  namespace: string;
  repo_name: string;
  docker_repo_path: string;
  docker_repo_tag: string;
  docker_repo_version_tag: string | null;
  status: BuildStatus;
  auto_created: boolean;
  step_at: number;
  code_repo_http_url: string | null;
  code_commit_http_url: string | null;
  code_repo_branch_url: string | null;
  is_removable: boolean;
}

export interface LogLine {
  seq: number;
  message: string;
  level: string;
  time: number;
  continued: boolean;
}

export interface Found {
  num_results: number;
  num_pages: number;
  page: number;
  more: boolean;
  results: { name: string; description: string; star_count: number; is_automated: boolean }[];
}

export interface Webhook {
  id: string;
  url: string;
  events: string[];
  is_active: boolean;
  created_at: string | null;
  updated_at: string | null;
  secret?: string;
}

export interface Delivery {
  id: string;
  event: string;
  status: string;
  attempts: number;
  status_code: number | null;
  error: string;
  created_at: string | null;
  attempted_at: string | null;
  next_at: string | null;
}

export interface Secret {
  name: string;
  created_at: string | null;
  updated_at: string | null;
}

export interface Quota {
  limit: number | null;
  used: number;
}

export interface AuditEntry {
  id: string;
  at: string;
  who: string;
  what: string;
  on: string;
  detail: string;
  from: string;
}
