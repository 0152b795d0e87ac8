import js from '@eslint/js'
import { defineConfig, globalIgnores } from 'eslint/config'
import tseslint from 'typescript-eslint'

const NODE_GLOBALS = `
  AbortController AbortSignal Blob Buffer CustomEvent Event EventTarget FormData TextDecoder TextEncoder URL
  URLSearchParams WebSocket clearInterval clearTimeout console crypto fetch performance process queueMicrotask
  setInterval setTimeout structuredClone`
const BROWSER_GLOBALS = `
  CSSStyleSheet DOMParser DocumentFragment Element EventSource File FileReader HTMLElement Headers
  IntersectionObserver MutationObserver Node Notification Option Request ResizeObserver Response Image alert
  atob btoa cancelAnimationFrame confirm customElements document getComputedStyle history localStorage
  location matchMedia navigator requestAnimationFrame self sessionStorage window`

const readOnly = (names) =>
  Object.fromEntries(
    names
      .trim()
      .split(/\s+/)
      .map((name) => [name, 'readonly']),
  )

// Layout is Prettier's alone; imports between rooms are checked by test/src/layering.test.ts.
export default defineConfig(
  globalIgnores(['**/dist/', '**/node_modules/', '**/data/', '**/.tap/', '**/coverage/']),
  js.configs.recommended,
  { files: ['**/*.js', '**/*.mjs'], languageOptions: { globals: readOnly(NODE_GLOBALS) } },
  { files: ['**/public/**/*.js'], languageOptions: { globals: readOnly(BROWSER_GLOBALS) } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': ['error', { considerDefaultExhaustiveForUnions: true }],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' },
      ],
      // A method that answers with a promise may have nothing to wait for: contracts are asynchronous.
      '@typescript-eslint/require-await': 'off',
      // Ids and counts are meant to be written into messages.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      'no-restricted-syntax': [
        'error',
        { selector: 'Decorator', message: 'No decorators: dependencies arrive as one typed object.' },
        { selector: 'TSEnumDeclaration', message: 'No enums: use a union of literals or a frozen object.' },
        { selector: 'TSModuleDeclaration[kind="namespace"]', message: 'No namespaces: a file is a module.' },
        { selector: 'TSParameterProperty', message: 'No parameter properties: declare the field.' },
      ],
      'no-restricted-imports': [
        'error',
        {
          paths: [
            { name: 'tsyringe', message: 'Only core/src/di.ts knows the container.' },
            { name: 'reflect-metadata', message: 'Only core/src/di.ts knows the container.' },
          ],
        },
      ],
      // The house has no enums; a dependency's const enum can only be met by its values.
      '@typescript-eslint/no-unsafe-enum-comparison': 'off',
      // Dependencies are plain objects of functions, and taking some out by name is how they are used.
      '@typescript-eslint/unbound-method': 'off',
      'no-console': 'error',
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
  { files: ['core/src/di.ts'], rules: { 'no-restricted-imports': 'off' } },
  // The command line speaks to people on the terminal, so do benchmarks.
  { files: ['core/src/cli/**/*.ts', 'test/bench/**/*.ts'], rules: { 'no-console': 'off' } },
  {
    files: ['**/test/**/*.ts'],
    rules: {
      '@typescript-eslint/no-explicit-any': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      'no-console': 'off',
      // tap runs the tests in order by itself; waiting for each is its business.
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', package: 'tap', name: ['test'] },
            { from: 'package', package: '@tapjs/core', name: ['test'] },
            { from: 'package', package: '@tapjs/test', name: ['test'] },
          ],
        },
      ],
    },
  },
)
